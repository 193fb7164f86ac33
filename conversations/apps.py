"""The app of conversations, their members, markers, sync and pings."""

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    """Conversations as their members see them."""

    name = "conversations"

    def ready(self) -> None:
        """Follow what people do to their accounts; have vain requests forgotten."""
        from accounts import following
        from conversations import members, people  # after the models are there
        from imsite.core import chores

        following.register(people)
        chores.register(members.CHORE)
