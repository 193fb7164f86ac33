"""Running a group: its title, rules and roles, muting, handing over, dissolving."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts import wording
from conversations import pings
from conversations.access import Act, acting, refuse_frozen
from conversations.models import Conversation, Membership
from imsite.core.errors import Forbidden, NotFound

# Changes of these are entries of the log; the body's field is the column's name.
_NOTICED = {"title": ("title_changed", "title"), "announcement": ("announcement", "text")}


def update(user_id: int, conversation_id: int, *, changes: dict[str, Any], now: datetime) -> None:
    """Change title, announcement or rules of a group; what stays the same is no change."""
    with acting(user_id, conversation_id, now=now) as act:
        act.require("admin")
        refuse_frozen(act.head)
        stored = Conversation.objects.get(pk=conversation_id)
        real = {name: new for name, new in changes.items() if getattr(stored, name) != new}
        if not real:
            return
        wording.check(*(real.get(name) for name in _NOTICED), place=act.place)
        Conversation.objects.filter(pk=conversation_id).update(**real)
        for name in real.keys() & _NOTICED.keys():
            kind, label = _NOTICED[name]
            act.notice(kind, **{label: real[name]})
        act.touched = True
        transaction.on_commit(lambda: pings.head_changed(conversation_id))


def mute(
    user_id: int, conversation_id: int, *, target_id: int, seconds: int | None, now: datetime
) -> None:
    """Keep a member from sending for a while; None or 0 lifts it."""
    with acting(user_id, conversation_id, now=now) as act:
        act.require("admin")
        [seat] = act.above(act.seats([target_id]))
        act.write(seat, muted_until=now + timedelta(seconds=seconds) if seconds else None)
        transaction.on_commit(lambda: pings.user_changed(target_id))


def set_role(
    user_id: int, conversation_id: int, *, target_id: int, role: str, now: datetime
) -> None:
    """Make a member an admin, or an admin a member again."""
    with acting(user_id, conversation_id, now=now) as act:
        act.require("owner")
        [seat] = act.above(act.seats([target_id]))
        if seat.role != role:
            give(act, seat, role)


def transfer(user_id: int, conversation_id: int, *, target_id: int, now: datetime) -> None:
    """Hand the group to another member; the old owner becomes an admin."""
    with acting(user_id, conversation_id, now=now) as act:
        act.require("owner")
        [seat] = act.seats([target_id])
        if act.seat is None or seat.pk == act.seat.pk:
            raise Forbidden
        give(act, act.seat, "admin")
        give(act, seat, "owner")


def give(act: Act, seat: Membership, role: str) -> None:
    """Give a member another role; the log says so."""
    act.write(seat, role=role)
    act.notice("role_changed", user_id=seat.user_id, role=role, by=act.actor_id)


def dissolve(user_id: int, conversation_id: int, *, now: datetime) -> None:
    """End a group for all; its log stays for the archive and is closed."""
    with acting(user_id, conversation_id, now=now) as act:
        act.require("owner")
        if act.seat is None:
            raise NotFound
        close(act)


def close(act: Act) -> None:
    """End the group: its log says who did it and takes nothing more."""
    act.notice("dissolved", by=act.actor_id)
    act.log_notices()
    act.head.parted_seq = act.head.head_seq
    Conversation.objects.filter(pk=act.head.id).update(dissolved_at=act.now)
