"""Why a message woke somebody's devices or did not, device by device, for whoever asks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from django.db.models import Q

from accounts.models import Device
from conversations import access
from conversations.models import Membership
from imsite.core.errors import NotFound
from messages import history
from push import decisions, reasons
from push.models import Debt, Decision, Look, PushToken
from push.reasons import Reason


@dataclass(frozen=True, slots=True)
class _Known:
    """What there is to know of one entry and one user; by device where it differs."""

    seat: Membership
    seq: int
    item: dict[str, Any] | None
    decided: dict[int, list[Decision]]
    debts: dict[int, Debt]
    tokens: dict[int, PushToken]
    online: dict[int, datetime]


def explain(
    user_id: int, conversation_id: int, seq: int, *, now: datetime, device_id: int | None = None
) -> dict[str, Any]:
    """Return what was decided for an entry and each device of a user, and why (docs/protocol, push).

    `device_id` is the device that asks. NotFound for an entry that is not there, and for whoever is
    not in the conversation.
    """
    known = _known(user_id, conversation_id, seq)
    always = reasons.lasting(known.item, user_id)
    general = always or reasons.present(known.item or {}, known.seat, now=now)
    devices = list(_devices(user_id, known.decided))
    return {
        "conversation_id": conversation_id,
        "seq": seq,
        "devices": [
            {
                **_shape(device, known, current=device.pk == device_id),
                **(always or _reason(device, known, general, now=now)).shape(),
                "steps": [_step(row) for row in known.decided.get(device.pk, [])],
            }
            for device in devices
        ],
    }


def _known(user_id: int, conversation_id: int, seq: int) -> _Known:
    window = history.readable(user_id, conversation_id)
    if not 0 < seq <= window.last_seq:
        raise NotFound
    seat = access.seat_of(user_id, conversation_id)
    wires = history.ranges([(conversation_id, seq - 1, seq)]) if window.holds(seq) else {}
    decided: dict[int, list[Decision]] = {}
    about = Q(user_id=user_id, conversation_id=conversation_id, from_seq__lte=seq, to_seq__gte=seq)
    for row in Decision.objects.filter(about).order_by("at", "pk"):
        decided.setdefault(row.device_id, []).append(row)
    debts = Debt.objects.filter(user_id=user_id, conversation_id=conversation_id)
    tokens = PushToken.objects.filter(user_id=user_id)
    return _Known(
        seat=seat,
        seq=seq,
        item=orjson.loads(wires[conversation_id][0]) if wires else None,
        decided=decided,
        debts={row.device_id: row for row in debts},
        tokens={row.pk: row for row in tokens.defer("token")},
        online=_online(conversation_id, seq),
    )


def _online(conversation_id: int, seq: int) -> dict[int, datetime]:
    """Return the devices that held a socket when they were looked at for this entry, and when."""
    looks = Look.objects.filter(
        conversation_id=conversation_id, from_seq__lte=seq, to_seq__gte=seq
    ).order_by("at")
    return {
        device_id: look.at for look in looks for device_id in decisions.unpack(bytes(look.online))
    }


def _devices(user_id: int, decided: Iterable[int]) -> Iterable[Device]:
    """Return the user's devices that stand, and those of before of which something was decided."""
    mine = Device.objects.filter(user_id=user_id)
    return mine.filter(Q(ended_at=None) | Q(pk__in=list(decided))).order_by("pk").defer("salt")


def _reason(device: Device, known: _Known, general: Reason | None, *, now: datetime) -> Reason:
    """Return the most certain reason: what was recorded, what is owed, what holds at present."""
    rows = known.decided.get(device.pk, [])
    owed = reasons.owed(known.debts.get(device.pk), known.seq)
    if rows:
        last = reasons.decided(rows[-1], known.seq)
        last = last if last.detail else replace(last, detail=_detail(rows))
        if last.collapsed_into and general and general.outcome == "muted":
            # The push told of a mention; what lies before it was counted along, not told.
            return general
        return replace(last, next_at=owed.next_at) if owed else last
    if owed is not None:
        return general or owed
    if device.pk in known.online:
        return Reason(outcome="online", recorded=True, at=known.online[device.pk])
    if device.ended_at is not None:
        return Reason(outcome="ended", recorded=True, at=device.ended_at)
    if general is not None:
        return general
    if device.pk not in known.tokens:
        return Reason(outcome="no_token", recorded=False)
    if known.seat.conversation.push_seq < known.seq:
        return Reason(outcome="waiting", recorded=False)
    return reasons.quiet(device.user_id, now=now) or Reason(outcome="unknown", recorded=False)


def _detail(rows: list[Decision]) -> str:
    """Return what an earlier decision says more: the same one, or of what is cleared, who read it."""
    same = {rows[-1].outcome, "read"} if rows[-1].outcome == "cleared" else {rows[-1].outcome}
    return next((row.detail for row in reversed(rows) if row.outcome in same and row.detail), "")


def _shape(device: Device, known: _Known, *, current: bool) -> dict[str, Any]:
    token = known.tokens.get(device.pk)
    return {
        "device_id": device.pk,
        "platform": device.platform,
        "name": device.name,
        "current": current,
        "provider": token.provider if token else None,
    }


def _step(row: Decision) -> dict[str, Any]:
    told = reasons.decided(row, row.to_seq).shape()
    kept = {name: told[name] for name in ("outcome", "says", "detail", "at")}
    return {**kept, "from_seq": row.from_seq, "to_seq": row.to_seq}
