"""The app of conversations, their members, markers, sync and pings."""

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    """Conversations as their members see them."""

    name = "conversations"

    def ready(self) -> None:
        """Follow what people do to their accounts."""
        from accounts import following
        from conversations import people  # after the models are there

        following.register(people)
