"""What the apps above do when heads move and people read: they register at start-up."""

from typing import Protocol


class Follower(Protocol):
    """Told after the commit, on the thread of the request: it must be quick, and must not fail."""

    def heads_moved(self) -> None:
        """There are new entries somewhere."""

    def read(self, user_id: int, conversation_id: int, device_id: int) -> None:
        """This user has read, on this device (0: nobody says which)."""


_followers: list[Follower] = []


def register(follower: Follower) -> None:
    """Add an app's module to those that are told."""
    if follower not in _followers:
        _followers.append(follower)


def heads_moved() -> None:
    """Tell all that heads moved."""
    for follower in _followers:
        follower.heads_moved()


def read(user_id: int, conversation_id: int, device_id: int) -> None:
    """Tell all that somebody has read."""
    for follower in _followers:
        follower.read(user_id, conversation_id, device_id)
