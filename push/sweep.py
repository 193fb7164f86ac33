"""Pushes what is owed: looks, claims, looks up what stands, hands over, writes down what became of it.

Everything that is owed is a row, so whoever rings, how often, and who dies in between is no matter.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connections, transaction

from push import debts, decisions, looks, recheck, tokens, transport
from push.debts import Claim, Settled
from push.decisions import Decided
from push.lanes import Handed, Lanes
from push.providers.base import PushFailed, Target
from push.recheck import Verdict

log = logging.getLogger("imsite.push")
# Seconds that one look at the lanes waits for an outcome.
_PATIENCE = 0.05
# Seconds between two looks while pushes are in hand.
_LOOK_EVERY = 0.2
# Seconds between two attempts to write down what was sent, while the database is away.
_RETRY = 0.5
Clock = Callable[[], datetime]


def run(clock: Clock, *, budget: float) -> bool:
    """Push all that is owed, for at most some `budget` seconds; say whether the time was too short.

    `clock` tells the present time: it goes on for longer than one moment.
    """
    sweep = Sweep(clock)
    try:
        return sweep.run(time.monotonic() + budget)
    finally:
        sweep.lanes.close()


class Sweep:
    """One turn of pushing, in one thread; the lanes' threads touch no database."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lanes = Lanes(settings.IM_PUSH_THREADS)
        self.sent: dict[int, Verdict] = {}
        # Providers of which more is due than there was room for.
        self.due: set[str] = set()
        self.looked_at = 0.0

    def run(self, until: float) -> bool:
        """Go round until nothing is owed, or it is time; then wait for what is in hand."""
        more = True
        while more or self.lanes.busy:
            if time.monotonic() < until:
                try:
                    more = self.look() or self.claim()
                except DatabaseError:
                    # What is in hand is to be written down; all else waits for the next bell.
                    log.exception("pushing stopped")
                    until, more = 0.0, True
            elif not self.lanes.busy:
                return until > 0.0
            self.write(self.lanes.fetch(_PATIENCE))
        return False

    def look(self) -> bool:
        """Look at what moved, not too often; say whether there was anything."""
        if self.lanes.busy and time.monotonic() - self.looked_at < _LOOK_EVERY:
            return False
        now = self.clock()
        found = looks.look(now=now) + looks.look_again(now=now) > 0
        self.due.update(settings.PUSH_ROUTES)
        self.looked_at = time.monotonic()
        if found:
            self.claim()
        return found

    def claim(self) -> bool:
        """Take what is due, as much as there is room for; say whether there may be more."""
        for provider in list(self.due):
            room = self.lanes.free(provider)
            # Little room is left until there is more: what is looked up is looked up for many.
            if room * 2 < self.lanes.places:
                continue
            now, looked_at = self.clock(), time.monotonic()
            rests = transport.resting(provider, now=now) > 0
            claims = [] if rests else debts.claim(provider, room, now=now)
            if len(claims) < room:
                self.due.discard(provider)
            # Of those in hand for longer than their lease the outcome is still to come.
            if claims := [each for each in claims if each.id not in self.sent]:
                self.judge(recheck.examine(claims, now=now), now=now, looked_at=looked_at)
        return bool(self.due)

    def judge(self, verdicts: Sequence[Verdict], *, now: datetime, looked_at: float) -> None:
        """Hand over what is to be pushed, and settle all else."""
        rest = []
        for each in verdicts:
            if each.push is None or each.target is None:
                rest.append(each)
                continue
            self.sent[each.claim.id] = each
            self.lanes.send(each.claim.id, each.target, each.push, now=now, looked_at=looked_at)
        _write([_settled(each) for each in rest], [_decided(each) for each in rest], now=now)

    def write(self, handed: Sequence[Handed]) -> None:
        """Write down what became of pushes; insist, for what is not written is sent again."""
        now = self.clock()
        settled, decided, gone = [], [], []
        for each in handed:
            verdict = self.sent.pop(each.ticket)
            if each.late:
                # Its provider is slow: it is looked up again.
                settled.append(Settled(claim=verdict.claim, again_at=now))
                continue
            settled.append(_outcome(verdict, each.error, now=now))
            decided.append(_told(verdict, each.error))
            if each.error and each.error.gone and verdict.target:
                gone.append(verdict.target)
        deadline = time.monotonic() + debts.lease()
        while not _wrote(settled, decided, gone, now=now, last=time.monotonic() > deadline):
            time.sleep(_RETRY)
        self.lanes.written(handed)


def _wrote(
    settled: Sequence[Settled],
    decided: Sequence[Decided | None],
    gone: Sequence[Target],
    *,
    now: datetime,
    last: bool,
) -> bool:
    """Write, and say whether that was possible; the last time raise why not."""
    try:
        _write(settled, decided, now=now)
        for target in gone:
            tokens.forget(target)
    except DatabaseError:
        connections.close_all()
        if last:
            raise
        return False
    return True


def _write(settled: Sequence[Settled], decided: Sequence[Decided | None], *, now: datetime) -> None:
    if settled:
        with transaction.atomic():
            debts.settle(settled, now=now)
            decisions.note([each for each in decided if each], now=now)


def _settled(verdict: Verdict) -> Settled:
    """Return what is to be written of a claim that is not handed over."""
    claim = verdict.claim
    cleared = claim.told_seq if verdict.cleared else 0
    return Settled(claim=claim, cleared_seq=cleared, again_at=verdict.again_at)


def _decided(verdict: Verdict) -> Decided | None:
    """Return what is to be kept of the decision against a push."""
    return _about(verdict.claim, verdict.outcome, verdict.detail) if verdict.outcome else None


def _about(claim: Claim, outcome: str, detail: str = "", *, to: int = 0) -> Decided:
    return Decided(
        device_id=claim.device_id,
        user_id=claim.user_id,
        conversation_id=claim.conversation_id,
        from_seq=min(claim.from_seq, to or claim.seq),
        to_seq=to or claim.seq,
        outcome=outcome,
        detail=detail,
    )


def _outcome(verdict: Verdict, error: PushFailed | None, *, now: datetime) -> Settled:
    """Return what is to be written of a claim that was handed over."""
    claim, push = verdict.claim, verdict.push
    assert push is not None
    if error is None and push.silent:
        return Settled(claim=claim, cleared_seq=push.seq)
    if error is None:
        return Settled(claim=claim, told_seq=push.seq)
    if error.gone:
        return Settled(claim=claim)
    if push.silent or _given_up(claim, error):
        return Settled(claim=claim, cleared_seq=push.seq if push.silent else 0)
    seconds = debts.pause(claim.failures, alone=not error.unwell)
    again_at = now + timedelta(seconds=max(seconds, error.retry_after or 0.0))
    return Settled(claim=claim, failed=True, again_at=again_at)


def _given_up(claim: Claim, error: PushFailed) -> bool:
    return not error.unwell and claim.failures >= debts.ENOUGH


def _told(verdict: Verdict, error: PushFailed | None) -> Decided | None:
    """Return what is to be kept of a push."""
    claim, push = verdict.claim, verdict.push
    assert push is not None
    if error is None:
        return _about(claim, "cleared" if push.silent else "pushed", to=push.seq)
    if push.silent:
        return None
    if error.gone:
        return _about(claim, "gone", error.reason)
    if _given_up(claim, error):
        return _about(claim, "given_up", error.reason)
    # The first, the second, the fourth …: a day of them would fill the table.
    rare = claim.failures & (claim.failures - 1) == 0
    return _about(claim, "failed", error.reason) if rare else None
