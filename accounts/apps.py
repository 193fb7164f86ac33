"""The app of people, their devices and tokens."""

from django.apps import AppConfig

from imsite.core import chores, limits


class AccountsConfig(AppConfig):
    """People, devices, tokens, blocks."""

    name = "accounts"

    def ready(self) -> None:
        """Refuse to start with a rate limit that cannot be read; have old devices forgotten."""
        from accounts import housekeeping

        limits.check()
        chores.register(housekeeping.CHORE)
