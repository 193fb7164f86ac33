"""The app that wakes devices."""

from django.apps import AppConfig


class PushConfig(AppConfig):
    """Pushes: who is owed one, and how it gets there."""

    name = "push"

    def ready(self) -> None:
        """Follow what people do to their accounts, what is said and what is read; tidy up."""
        from accounts import following
        from conversations import following as talks
        from imsite.core import chores
        from push import bell, forgetting, people  # after the models are there

        following.register(people)
        talks.register(bell)
        chores.register(forgetting.CHORE)
