"""What the sweep and the providers agree on: a push, its target, and how it can fail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One device, as its provider knows it; `registered_at` is when it last said so itself."""

    device_id: int
    provider: str
    token: str
    app: str
    registered_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """What a device shall show of one conversation, in place of what it showed before.

    `seq` is the newest entry told of, `badge` the true unread total. `title` and `text` are null
    where no preview is allowed. A `silent` one shows nothing: read elsewhere, the client clears.
    After `expires_at` nobody wants it any more.
    """

    conversation_id: int
    seq: int
    badge: int
    title: str | None
    text: str | None
    silent: bool
    expires_at: datetime


class PushFailed(Exception):
    """The provider did not take it; the reason is for the support view, so it holds no token.

    `gone`: the token is dead and must be forgotten. Otherwise the push may be tried again, not
    before `retry_after` seconds if the provider said so. `unwell`: it is not about this target,
    others would have failed as well.
    """

    def __init__(
        self,
        reason: str,
        *,
        gone: bool = False,
        retry_after: float | None = None,
        unwell: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.gone = gone
        self.retry_after = retry_after
        self.unwell = unwell


class Provider(Protocol):
    """A way to devices, made without arguments; called from many threads at once."""

    def lane(self, target: Target) -> str:
        """Return what fails together with this target: the provider's name, or a part of it."""

    def send(self, target: Target, push: Push, *, now: datetime) -> str:
        """Hand over one push; return the provider's own id of it (or ""), or raise PushFailed."""

    def close(self) -> None:
        """End what it has open."""
