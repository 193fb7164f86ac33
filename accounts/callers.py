"""Who is calling, and whether they still may: a device's state, looked up at most once a second.

Tokens prove themselves, so the only question left to the database is whether their device was
ended since. Each process keeps the answers for a second; a process that ends a device forgets it
at once. Where many devices are busy one of them asks for all, before what is known of them is too old.
"""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError

from accounts.models import Device
from imsite.core import clock, rows
from imsite.core.errors import AppError, Code

log = logging.getLogger("accounts.callers")

# Seconds for which a looked-up state is believed.
_FRESH = 1.0
# And from which on one of many busy devices looks all of them up.
_SOON = 0.5
# How many of these make many, and go into one statement.
_MANY = 8
_AT_ONCE = 256
_MAX_STATES = 50_000
_SEEN_EVERY = timedelta(minutes=5)


class TokenInvalid(AppError):
    """This token is not valid, or no longer; log in again."""

    code = Code.TOKEN_INVALID


class Banned(AppError):
    """This account is banned."""

    code = Code.BANNED


@dataclass(frozen=True, slots=True)
class Caller:
    """A device of a user, as some token proved it."""

    user_id: int
    device_id: int
    epoch: int


@dataclass(frozen=True, slots=True)
class _State:
    """What the database said of a device at `read_at` (monotonic seconds)."""

    read_at: float
    user_id: int
    epoch: int
    alive: bool
    banned_at: datetime | None
    banned_until: datetime | None
    ban_reason: str


# Asked for each device every second, so not by the ORM, which takes a millisecond for it.
_SQL = """SELECT d.id, d.user_id, d.epoch, d.ended_at, d.last_seen_at,
 u.is_active, u.deleted_at, u.banned_at, u.banned_until, u.ban_reason
 FROM accounts_device d JOIN accounts_user u ON u.id = d.user_id WHERE {}"""
_states: dict[int, _State] = {}
# Devices that called again after they were looked up.
_busy: set[int] = set()
# Which of them looks the others up, and until when (monotonic seconds) no other does.
_scout, _scouts_until = 0, 0.0
_lock = threading.Lock()
_forgotten = 0


def admit(caller: Caller, *, now: datetime) -> Caller:
    """Return the caller if the device still stands; raise TokenInvalid or Banned."""
    if not admit_known(caller, now=now):
        _judge(caller, _look_up(caller.device_id, now=now), now=now)
    return caller


def admit_known(caller: Caller, *, now: datetime) -> bool:
    """Do as `admit` does, or return False where that has to ask the database."""
    state, at = _states.get(caller.device_id), time.monotonic()
    # A genuine token of a later epoch proves that the state is old: the device has logged in anew.
    if state is None or at - state.read_at >= _FRESH or caller.epoch > state.epoch:
        return False
    if at - state.read_at >= _SOON and _is_scout(caller.device_id, at):
        return False
    _judge(caller, state, now=now)
    _busy.add(caller.device_id)
    return True


def _is_scout(device_id: int, at: float) -> bool:
    """Say whether this one looks up all that are busy, while the others go on with what is known."""
    global _scout, _scouts_until
    if at >= _scouts_until and len(_busy) >= _MANY:
        _scout, _scouts_until = device_id, at + _SOON
    return _scout == device_id and at < _scouts_until


def _judge(caller: Caller, state: _State, *, now: datetime) -> None:
    if not state.alive or state.epoch != caller.epoch or state.user_id != caller.user_id:
        raise TokenInvalid
    refuse_banned(state, now=now)


def refuse_banned(who: Any, *, now: datetime) -> None:
    """Raise Banned if `who` (a user, or a state of one) is banned at this time."""
    if who.banned_at is None or (who.banned_until is not None and who.banned_until <= now):
        return
    until = clock.wire_or_none(who.banned_until)
    raise Banned(data={"until": until, "reason": who.ban_reason or None})


def forget(device_ids: Iterable[int]) -> None:
    """Look these devices up again at their next request; call it after the commit that changed them."""
    global _forgotten
    with _lock:
        _forgotten += 1
        for device_id in device_ids:
            _states.pop(device_id, None)


def ended(callers: Iterable[Caller], *, now: datetime) -> set[Caller]:
    """Return those of `callers` that may no longer call; one query."""
    asked = list(callers)
    found = {row[0]: row for row in _rows([caller.device_id for caller in asked])}
    return {caller for caller in asked if not _stands(caller, found.get(caller.device_id), now)}


def _stands(caller: Caller, row: tuple[Any, ...] | None, now: datetime) -> bool:
    if row is None:
        return False
    state = _state(row, read_at=0.0)
    try:
        refuse_banned(state, now=now)
    except Banned:
        return False
    return state.alive and state.epoch == caller.epoch and state.user_id == caller.user_id


def _rows(device_ids: list[int]) -> list[tuple[Any, ...]]:
    these, params = rows.among("d.id", device_ids)
    found = rows.fetch(_SQL.format(these), params)
    return [
        (*row[:3], *map(rows.time, row[3:5]), bool(row[5]), *map(rows.time, row[6:9]), row[9])
        for row in found
    ]


def _state(row: tuple[Any, ...], *, read_at: float) -> _State:
    _, user_id, epoch, ended_at, _, is_active, deleted_at, *ban = row
    alive = ended_at is None and is_active and deleted_at is None
    return _State(read_at, user_id, epoch, alive, *ban)


def _look_up(device_id: int, *, now: datetime) -> _State:
    # The time before the query: what commits while it runs must count as not seen.
    read_at, forgotten = time.monotonic(), _forgotten
    own = _State(read_at, 0, 0, False, None, None, "")
    for row in _rows([device_id, *_company(device_id, read_at)]):
        state = _state(row, read_at=read_at)
        unseen = state.alive and now - row[4] > _SEEN_EVERY
        if row[0] == device_id:
            own = state
            if unseen:
                _seen(device_id, now=now)
        elif unseen:
            # It asks for itself, and is noted then.
            continue
        _keep(row[0], state, forgotten)
    return own


def _company(device_id: int, at: float) -> list[int]:
    """Return busy devices that will have to be looked up soon, too."""
    with _lock:
        busy = [_busy.pop() for _ in range(min(len(_busy), _AT_ONCE))]
    known = ((each, _states.get(each)) for each in busy if each != device_id)
    return [each for each, state in known if state and at - state.read_at >= _SOON]


def _keep(device_id: int, state: _State, forgotten: int) -> None:
    with _lock:
        # Something was forgotten while the query ran: it may have read what was there before.
        if forgotten != _forgotten:
            return
        if len(_states) >= _MAX_STATES:
            _states.pop(next(iter(_states)))
        _states[device_id] = state


def _seen(device_id: int, *, now: datetime) -> None:
    late = Device.objects.filter(pk=device_id, last_seen_at__lt=now - _SEEN_EVERY)
    try:
        late.update(last_seen_at=now)
    except OperationalError:
        # A note for the list of devices: a database that takes no writes must not stop reads.
        log.warning("could not note that device %d was seen", device_id, exc_info=True)
