"""Words for why a device was woken or not, and what the state of things says where none were kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings

from accounts import blocks
from conversations.models import Membership
from imsite.core import clock
from push import preferences
from push.models import Debt, Decision

# Each outcome as a person is told it. The first ones are those that decisions record.
SAYS: Final = {
    "pushed": "The provider took the push.",
    "failed": "The provider did not take the push.",
    "gone": "The provider no longer knows the device's token; it was forgotten.",
    "given_up": "It was tried in vain until nobody wanted it any more.",
    "no_token": "The device has no push token.",
    "online": "The device held a socket, and was told over that.",
    "pulled": "The device had pulled the message itself.",
    "read": "The message had been read.",
    "muted": "The conversation's notify level says no.",
    "quiet": "It was within the quiet hours.",
    "blocked": "One of the two blocks the other.",
    "recalled": "The message was taken back.",
    "expired": "The message is older than the offline window.",
    "left": "The user was not in the conversation any more.",
    "ended": "The device has ended.",
    "cleared": "A silent push took it off the screen, as it was read elsewhere.",
    # Never recorded: they follow from the log, or from what is still to happen.
    "own": "It is the user's own message.",
    "not_counted": "This kind of entry wakes nobody.",
    "before_window": "It lies before what the user may read.",
    "owed": "The push is still owed.",
    "waiting": "Nobody has looked yet who is to be woken for it.",
    "unknown": "Nothing is known: no decision was kept.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One outcome; `recorded` is false where it is only concluded from the present state."""

    outcome: str
    recorded: bool
    at: datetime | None = None
    detail: str = ""
    # The push told of this later entry, and of ours with it.
    collapsed_into: int | None = None
    next_at: datetime | None = None

    def shape(self) -> dict[str, Any]:
        """Return what the API shows of it."""
        return {
            "outcome": self.outcome,
            "basis": "recorded" if self.recorded else "present",
            "says": SAYS[self.outcome],
            "detail": self.detail or None,
            "at": clock.wire_or_none(self.at),
            "collapsed_into": self.collapsed_into,
            "next_at": clock.wire_or_none(self.next_at),
        }


def decided(row: Decision, seq: int) -> Reason:
    """Return a decision that was recorded, as it concerns the entry `seq`."""
    told = row.outcome in ("pushed", "failed", "quiet") and row.to_seq > seq
    return Reason(
        outcome=row.outcome,
        recorded=True,
        at=row.at,
        detail=row.detail,
        collapsed_into=row.to_seq if told else None,
    )


def lasting(item: dict[str, Any] | None, user_id: int) -> Reason | None:
    """Return why an entry never wakes this user, whatever happens; None if it may.

    `item` is None where it lies before what the user may read.
    """
    if item is None:
        return Reason(outcome="before_window", recorded=True)
    if item.get("event"):
        return Reason(outcome="not_counted", recorded=True)
    if item["sender_id"] == user_id:
        return Reason(outcome="own", recorded=True)
    return None


def present(item: dict[str, Any], seat: Membership, *, now: datetime) -> Reason | None:
    """Return why nobody would be woken for an entry as things stand; None if somebody would."""
    if "recalled_at" in item:
        at = datetime.fromisoformat(item["recalled_at"])
        return Reason(outcome="recalled", recorded=True, at=at)
    if seat.read_seq >= item["seq"]:
        return Reason(outcome="read", recorded=False, detail=f"up to {seat.read_seq}")
    window = timedelta(days=settings.IM_OFFLINE_DAYS)
    if datetime.fromisoformat(item["sent_at"]) < now - window:
        return Reason(outcome="expired", recorded=False, detail=f"{window.days} days")
    if not _notified(item, seat):
        return Reason(outcome="muted", recorded=False, detail=f"notify is {seat.notify}")
    if seat.conversation.kind == "direct" and blocks.either_way(seat.user_id, item["sender_id"]):
        return Reason(outcome="blocked", recorded=False)
    return None


def _notified(item: dict[str, Any], seat: Membership) -> bool:
    if seat.notify != "mentions":
        return seat.notify == "all"
    mentioned = item.get("mentions", [])
    return mentioned == "all" or seat.user_id in mentioned


def owed(debt: Debt | None, seq: int) -> Reason | None:
    """Return that a push is still to come; None if none is."""
    if debt is None or debt.due_at is None or not debt.from_seq <= seq <= debt.seq:
        return None
    merged = debt.seq if debt.seq > seq else None
    return Reason(outcome="owed", recorded=True, collapsed_into=merged, next_at=debt.due_at)


def quiet(user_id: int, *, now: datetime) -> Reason | None:
    """Return that it is within the user's quiet hours at present, if it is."""
    until = preferences.of(user_id).quiet_until(now)
    if until is None:
        return None
    return Reason(outcome="quiet", recorded=False, detail=clock.wire(until))
