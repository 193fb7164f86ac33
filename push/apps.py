"""The app that wakes devices."""

from django.apps import AppConfig


class PushConfig(AppConfig):
    """Pushes: who is owed one, and how it gets there."""

    name = "push"
