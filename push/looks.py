"""Looks at who is to be pushed for the newest entries of conversations; the only writer of Look.

Whose device holds a socket is not owed anything: the ping tells it. But a socket may be dead and
nobody knows, so these devices are looked at again, alone, when every socket that lives must have
been heard since.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts import blocks, presence
from conversations import looking
from conversations.looking import Range
from imsite.core import clock, metrics
from messages import alerts
from push import debts, decisions, preferences, rousing
from push.candidates import MANY, Candidate, Wanted
from push.debts import Owed
from push.decisions import Decided
from push.models import Look

log = logging.getLogger("imsite.push")
# Conversations looked at together.
_TOGETHER = 50
# Seconds in which looks at the same devices are kept as one.
_MERGED = 20
# Seconds after the newest entry when a socket that lives was heard since: the 75 s of silence after
# which one is closed, and the 60 s after which a killed process's are gone, and some to do it.
_AGAIN = 80 + _MERGED
_AGAIN_LEASE = 60
# What a look again takes in one turn.
_MOST_AGAIN = 200


def look(*, now: datetime) -> int:
    """Look at some of the conversations that wait for it; return how many."""
    ids = looking.claim(_TOGETHER, now=now) if looking.any_waits() else []
    if not ids:
        return 0
    for group in _groups(looking.ranges(ids)):
        try:
            with metrics.push_looks.time():
                _look(group, now=now)
            looking.done({each.conversation_id: each.high for each in group})
        except Exception:
            # They stay claimed for a while, and come again; the others are not to suffer for them.
            log.exception("%d conversations could not be looked at", len(group))
    return len(ids)


def _groups(ranges: Sequence[Range]) -> Iterator[list[Range]]:
    """Cut into groups of few members each; a large conversation is alone."""
    group: list[Range] = []
    count = 0
    for each in sorted(ranges, key=lambda one: one.member_count):
        count += each.member_count
        if group and count > MANY:
            yield group
            group, count = [], each.member_count
        group.append(each)
    if group:
        yield group


def look_again(*, now: datetime) -> int:
    """Look again at devices that held a socket; return how many conversations."""
    if not Look.objects.filter(again_at__lte=now).exists():
        return 0
    due = _claim_again(now=now)
    by_talk: dict[int, list[Look]] = {}
    for each in due:
        by_talk.setdefault(each.conversation_id, []).append(each)
    places = {place.conversation_id: place for place in looking.ranges(by_talk.keys())}
    for conversation_id, found in by_talk.items():
        place = places[conversation_id]
        low = min(each.from_seq for each in found) - 1
        high = max(each.to_seq for each in found)
        span = Range(conversation_id, place.kind, place.pair, place.member_count, low, high)
        devices = {
            device_id for each in found for device_id in decisions.unpack(bytes(each.online))
        }
        _look([span], devices=devices, now=now)
    Look.objects.filter(pk__in=[each.pk for each in due]).update(again_at=None)
    return len(by_talk)


def _claim_again(*, now: datetime) -> list[Look]:
    """Take looks that are due; if we die they are due again."""
    with transaction.atomic():
        due = Look.objects.filter(again_at__lte=now).order_by("again_at")
        ids = list(
            due.select_for_update(skip_locked=True)[:_MOST_AGAIN].values_list("pk", flat=True)
        )
        Look.objects.filter(pk__in=ids).update(again_at=now + timedelta(seconds=_AGAIN_LEASE))
    return list(Look.objects.filter(pk__in=ids))


def _look(group: Sequence[Range], *, now: datetime, devices: Collection[int] | None = None) -> None:
    """Note who is owed what in these ranges; with `devices`, of these alone."""
    since = now - timedelta(days=settings.IM_OFFLINE_DAYS)
    spans = {each.conversation_id: each for each in group if each.high > each.low}
    wanted = Wanted.of(list(spans.values()), since=since)
    if devices is None:
        # Who spoke has read what is above, on whatever device.
        rousing.read([(user_id, cid, 0) for cid, user_id in wanted.senders()], now=now)
        gone = alerts.recalled(
            [(each.conversation_id, each.low, each.high) for each in spans.values()]
        )
        rousing.recalled(gone.items(), now=now)
    for portion in wanted.candidates(spans, devices):
        _keep(portion, spans, again=devices is not None, now=now)


def _keep(
    found: Sequence[Candidate], spans: Mapping[int, Range], *, again: bool, now: datetime
) -> None:
    """Note what these devices are owed, and why some are not."""
    if not found:
        return
    blocked = _blocked(spans)
    connected = presence.online([each.device_id for each in found])
    online = [each for each in found if each.device_id in connected]
    absent = [each for each in found if each.device_id not in connected]
    pulled = presence.pulled_to([(each.device_id, each.conversation_id) for each in absent])
    owed, decided = [], []
    wishes = preferences.wishes({each.user_id for each in absent})
    for each in absent:
        reason, detail, due_at = "", "", now
        if each.conversation_id in blocked:
            reason = "blocked"
        elif pulled.get((each.device_id, each.conversation_id), 0) >= each.seq:
            reason = "pulled"
        elif until := wishes[each.user_id].quiet_until(now):
            reason, detail, due_at = "quiet", clock.wire(until), until
        if reason:
            decided.append(_decided(each, spans, reason, detail))
        if reason in ("", "quiet"):
            owed.append(_owed(each, spans, due_at))
    with transaction.atomic():
        debts.owe(owed, now=now)
        decisions.note(decided, now=now)
        if not again:
            _note_online(online, spans, now=now)


def _blocked(spans: Mapping[int, Range]) -> set[int]:
    pairs = {each.pair: cid for cid, each in spans.items() if each.pair}
    return {pairs[pair] for pair in blocks.pairs(pairs)} if pairs else set()


def _owed(each: Candidate, spans: Mapping[int, Range], due_at: datetime) -> Owed:
    return Owed(
        device_id=each.device_id,
        user_id=each.user_id,
        conversation_id=each.conversation_id,
        provider=each.provider,
        from_seq=spans[each.conversation_id].low + 1,
        seq=each.seq,
        due_at=due_at,
    )


def _decided(each: Candidate, spans: Mapping[int, Range], outcome: str, detail: str) -> Decided:
    return Decided(
        device_id=each.device_id,
        user_id=each.user_id,
        conversation_id=each.conversation_id,
        from_seq=spans[each.conversation_id].low + 1,
        to_seq=each.seq,
        outcome=outcome,
        detail=detail,
    )


def _note_online(online: Sequence[Candidate], spans: Mapping[int, Range], *, now: datetime) -> None:
    """Note who held a socket; one row for the looks of some seconds, if they saw the same devices."""
    devices: dict[int, set[int]] = {}
    for each in online:
        devices.setdefault(each.conversation_id, set()).add(each.device_id)
    lately = now - timedelta(seconds=_MERGED)
    fresh = []
    for cid, ids in devices.items():
        packed, span = decisions.pack(ids), spans[cid]
        same = Look.objects.filter(
            conversation_id=cid, to_seq=span.low, at__gt=lately, online=packed, again_at__gt=now
        )
        if not same.update(to_seq=span.high):
            fresh.append(
                Look(
                    conversation_id=cid,
                    from_seq=span.low + 1,
                    to_seq=span.high,
                    at=now,
                    online=packed,
                    again_at=now + timedelta(seconds=_AGAIN),
                )
            )
    Look.objects.bulk_create(fresh)
