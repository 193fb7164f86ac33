"""The app of the log. Its label is not `messages`: that one belongs to Django's flash messages."""

from django.apps import AppConfig


class MessagesConfig(AppConfig):
    """The log: appending, reading, correcting."""

    name = "messages"
    label = "messagelog"

    def ready(self) -> None:
        """Give conversations the log without their knowing it (docs/decisions, group notices)."""
        from accounts import following, wording
        from conversations import logbook
        from imsite.core import chores
        from messages import ledger, people, retention
        from messages.policy import titles

        logbook.register(ledger.Ledger())
        following.register(people)
        wording.register(titles.judge)
        chores.register(retention.CHORE)
