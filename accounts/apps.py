"""The app of people, their devices and tokens."""

from django.apps import AppConfig

from imsite.core import limits


class AccountsConfig(AppConfig):
    """People, devices, tokens, blocks."""

    name = "accounts"

    def ready(self) -> None:
        """Refuse to start with a rate limit that cannot be read."""
        limits.check()
