"""What the apps above do when a person changes: they register at start-up, accounts knows none of them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Protocol


class Follower(Protocol):
    """What an app does about people; called inside the transaction of the change, but for devices."""

    def profile_changed(self, user_id: int) -> None:
        """The name or picture of this user is another now."""

    def closing(self, user_id: int, *, now: datetime) -> None:
        """This account is being deleted."""

    def exported(self, user_id: int) -> dict[str, Any]:
        """Return all that the app holds of this user, JSON-ready, under names of its own."""

    def devices_ended(self, user_id: int, device_ids: Collection[int]) -> None:
        """These devices may no longer call; told after the commit, so this must not fail."""


_followers: list[Follower] = []


def register(follower: Follower) -> None:
    """Add an app's module to those that are told."""
    if follower not in _followers:
        _followers.append(follower)


def profile_changed(user_id: int) -> None:
    """Tell all that this profile changed."""
    for follower in _followers:
        follower.profile_changed(user_id)


def closing(user_id: int, *, now: datetime) -> None:
    """Tell all that this account is going."""
    for follower in _followers:
        follower.closing(user_id, now=now)


def exported(user_id: int) -> dict[str, Any]:
    """Return what all hold of this user."""
    return {k: v for follower in _followers for k, v in follower.exported(user_id).items()}


def devices_ended(user_id: int, device_ids: Collection[int]) -> None:
    """Tell all that these devices may no longer call; call it after the commit."""
    for follower in _followers:
        follower.devices_ended(user_id, device_ids)
