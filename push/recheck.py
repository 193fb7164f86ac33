"""What stands at the moment of sending: of claimed debts, which are to be sent, saying what, and why not.

Whatever was true when a debt was noted may not be any more: read, recalled, edited, left, muted,
blocked, connected, pulled, a token gone, the account banned. All are looked up together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings

from accounts import blocks, presence, profiles
from conversations import headview, sync
from imsite.core import clock, rows
from messages import alerts
from push import preferences, tokens
from push.debts import TABLE, Claim
from push.providers.base import Push, Target

# Seconds after which a device that holds a socket is looked at again: by then a dead one is closed.
ONLINE_AGAIN = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is to become of a claim: a push to a target, or none and why (Decision.OUTCOMES).

    `again_at`: not now, but then. `cleared`: the device shows nothing of it any more.
    """

    claim: Claim
    push: Push | None = None
    target: Target | None = None
    outcome: str = ""
    detail: str = ""
    again_at: datetime | None = None
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class _Stand:
    """A debt with its member, conversation and device as they stand."""

    debt_id: int
    told_seq: int
    cleared_seq: int
    state: str | None
    notify: str | None
    low: int
    head_seq: int
    dissolved_at: Any
    title: str | None
    low_id: int | None
    high_id: int | None
    ended_at: Any

    @property
    def pair(self) -> tuple[int, int] | None:
        if self.low_id is None or self.high_id is None:
            return None
        return (self.low_id, self.high_id)


@cache
def _stands_sql(vendor: str) -> str:
    return f"""SELECT d.id, d.told_seq, d.cleared_seq, m.state, m.notify, {headview.low_seq()},
 c.head_seq, c.dissolved_at, c.title, c.low_id, c.high_id, v.ended_at
 FROM {TABLE} d JOIN accounts_device v ON v.id = d.device_id
 JOIN conversations_conversation c ON c.id = d.conversation_id
 LEFT JOIN conversations_membership m
  ON m.user_id = d.user_id AND m.conversation_id = d.conversation_id
 WHERE """


def examine(claims: Sequence[Claim], *, now: datetime) -> list[Verdict]:
    """Say what is to become of each claim."""
    return _Examination(claims, now=now).verdicts()


class _Examination:
    """All that is looked up for some claims together."""

    def __init__(self, claims: Sequence[Claim], *, now: datetime) -> None:
        self.now = now
        self.claims = claims
        these, params = rows.among("d.id", [each.id for each in claims])
        found = rows.fetch(_stands_sql(rows.vendor()) + these, params)
        self.stands = {row[0]: _Stand(*row) for row in found}
        users = {each.user_id for each in claims}
        self.targets = {
            target.device_id: target
            for targets in tokens.targets(users, now=now).values()
            for target in targets
        }
        self.wishes = preferences.wishes(users)
        self.blocked = blocks.pairs({s.pair for s in self.stands.values() if s.pair})
        devices = [each.device_id for each in claims]
        self.online = presence.online(devices)
        self.pulled = presence.pulled_to([(c.device_id, c.conversation_id) for c in claims])
        self.newest = self._find_newest()
        self.alerts = alerts.alerts(
            {(c.conversation_id, self.newest[c.id]) for c in claims if self.newest.get(c.id)}
        )
        self.senders = profiles.shapes({alert.sender_id for alert in self.alerts.values()})
        self.totals = sync.unread_totals(users)
        self.lost = self._find_lost()

    def _find_newest(self) -> dict[int, int]:
        """Return by debt the newest entry that its member is to be told of."""
        since = self.now - timedelta(days=settings.IM_OFFLINE_DAYS)
        standing = [c for c in self.claims if (s := self.stands.get(c.id)) and s.state == "active"]
        plain = [c for c in standing if self.stands[c.id].notify != "mentions"]
        asked = [
            alerts.Asked(
                conversation_id=c.conversation_id,
                low=self.stands[c.id].low,
                high=self.stands[c.id].head_seq,
                but=c.user_id,
            )
            for c in plain
        ]
        found = {plain[n].id: seq for n, (seq, _) in alerts.newest(asked, since=since).items()}
        choosy = [c for c in standing if self.stands[c.id].notify == "mentions"]
        spans = [
            (c.conversation_id, self.stands[c.id].low, self.stands[c.id].head_seq, c.user_id)
            for c in choosy
        ]
        mentioned = alerts.mentions_of(spans, since=since)
        return found | {choosy[n].id: seq for n, seq in mentioned.items()}

    def verdicts(self) -> list[Verdict]:
        """Return what is to become of each claim."""
        return [self._verdict(each) for each in self.claims]

    def _verdict(self, claim: Claim) -> Verdict:
        stand = self.stands.get(claim.id)
        if stand is None:
            return Verdict(claim=claim, outcome="ended")
        if outcome := self._hindrance(claim, stand):
            return Verdict(claim=claim, outcome=outcome, cleared=True)
        seq = self.newest.get(claim.id, 0)
        if not seq or seq <= stand.told_seq:
            return self._nothing(claim, stand, seq)
        return self._push(claim, stand, seq)

    def _hindrance(self, claim: Claim, stand: _Stand) -> str:
        """Return why this device is not to be told anything of this conversation, or ""."""
        if claim.device_id not in self.targets:
            return "ended" if stand.ended_at else "no_token"
        if stand.state != "active" or stand.dissolved_at:
            return "left"
        if stand.notify == "none":
            return "muted"
        return "blocked" if stand.pair in self.blocked else ""

    def _nothing(self, claim: Claim, stand: _Stand, seq: int) -> Verdict:
        """Return what to do when there is nothing new to tell: clear what is over, or nothing."""
        shown = stand.told_seq > stand.cleared_seq
        read = not seq and stand.low >= stand.told_seq
        if shown and (read or self._lost(claim.conversation_id, stand.told_seq) == "recalled"):
            if claim.device_id in self.online:
                return Verdict(claim=claim, cleared=True)
            return self._replace(claim, stand, seq)
        if claim.seq <= stand.told_seq:
            return Verdict(claim=claim)
        return Verdict(claim=claim, outcome=self._why_nothing(claim, stand))

    def _replace(self, claim: Claim, stand: _Stand, seq: int) -> Verdict:
        """Take away what is shown: put the newest entry still unread in its place, or nothing."""
        wishes = self.wishes[claim.user_id]
        if seq and wishes.preview and not wishes.quiet_until(self.now):
            words = self._words(claim.conversation_id, stand, seq)
            push = self._said(claim, seq, *words, silent=False)
        else:
            push = self._said(claim, stand.told_seq, None, None, silent=True)
        return Verdict(claim=claim, target=self.targets[claim.device_id], push=push)

    def _why_nothing(self, claim: Claim, stand: _Stand) -> str:
        if stand.low >= claim.seq:
            return "read"
        # What stands, is young and unread is no mention, and its member asks for mentions by now.
        return self._lost(claim.conversation_id, claim.seq) or "muted"

    def _lost(self, conversation_id: int, seq: int) -> str:
        return self.lost.get((conversation_id, seq), "")

    def _find_lost(self) -> dict[tuple[int, int], str]:
        """Return why entries that were owed, or told, are not to be told any more: recalled or expired."""
        lost = {
            (c.conversation_id, seq)
            for c in self.claims
            for seq in (c.seq, c.told_seq)
            if self.newest.get(c.id, 0) < seq
        }
        since = self.now - timedelta(days=settings.IM_OFFLINE_DAYS)
        return {
            place: "recalled" if alert.text is None else "expired"
            for place, alert in alerts.alerts(lost).items()
            if alert.text is None or alert.sent_at < since
        }

    def _push(self, claim: Claim, stand: _Stand, seq: int) -> Verdict:
        if self.pulled.get((claim.device_id, claim.conversation_id), 0) >= seq:
            return Verdict(claim=claim, outcome="pulled")
        if claim.device_id in self.online:
            again = self.now + timedelta(seconds=ONLINE_AGAIN)
            return Verdict(claim=claim, outcome="online", again_at=again)
        wishes = self.wishes[claim.user_id]
        if until := wishes.quiet_until(self.now):
            return Verdict(claim=claim, outcome="quiet", detail=clock.wire(until), again_at=until)
        title = text = None
        if wishes.preview:
            title, text = self._words(claim.conversation_id, stand, seq)
        return Verdict(
            claim=claim,
            target=self.targets[claim.device_id],
            push=self._said(claim, seq, title, text, silent=False),
        )

    def _words(self, conversation_id: int, stand: _Stand, seq: int) -> tuple[str, str | None]:
        """Return title and text: of a group its title and who says it, else who says it."""
        alert = self.alerts[conversation_id, seq]
        shown = self.senders.get(alert.sender_id)
        sender = str(shown["display_name"]) if shown else ""
        if stand.pair or not stand.title:
            return sender, alert.text
        return stand.title, f"{sender}: {alert.text}"

    def _said(
        self, claim: Claim, seq: int, title: str | None, text: str | None, *, silent: bool
    ) -> Push:
        alert = self.alerts.get((claim.conversation_id, seq))
        sent_at = self.now if alert is None else alert.sent_at
        return Push(
            conversation_id=claim.conversation_id,
            seq=seq,
            badge=self.totals.get(claim.user_id, 0),
            title=title,
            text=text,
            silent=silent,
            expires_at=sent_at + timedelta(days=settings.IM_OFFLINE_DAYS),
        )
