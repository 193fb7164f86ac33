"""The app of people, their devices and tokens."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, devices, tokens, blocks."""

    name = "accounts"
