"""The audit log: appends what staff did, row hashed onto row, and proves that none was touched.

The hash of a row covers the hash of the row before it and all its own fields, so whoever changes,
removes or slips in a row must compute anew all that follow, and then the newest hash differs from
the one that was noted elsewhere (`audit_verify --head`).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction

from accounts.models import AuditEntry
from imsite.core import clock, shapes, stamps, strict
from imsite.core.errors import InvalidRequest

# Every act there is; the sentence is what a reader is told.
ACTS = {
    "user.warn": "warned somebody by a direct message",
    "user.mute": "muted somebody in a conversation",
    "user.unmute": "lifted a mute",
    "user.ban": "banned an account",
    "user.unban": "lifted a ban",
    "user.erase": "erased an account on request",
    "user.export": "exported what is stored of a person",
    "user.badge": "looked at the entries behind a person's badge",
    "user.end_sessions": "ended devices of a person",
    "user.forget_token": "took the push token of a device away",
    "messages.recall": "recalled messages",
    "messages.restore": "put recalled messages back",
    "conversation.freeze": "made a conversation read-only",
    "conversation.thaw": "let a conversation go on",
    "conversation.dissolve": "dissolved a conversation",
    "conversation.hand_over": "made somebody else the owner",
    "report.claim": "took a reported message in hand",
    "report.release": "gave a reported message back to the queue",
    "report.dismiss": "found a reported message in order",
    "report.close": "closed the reports of a message",
    "policy.create": "made a content rule",
    "policy.change": "changed a content rule",
    "policy.enable": "switched a content rule on",
    "policy.disable": "switched a content rule off",
    "policy.delete": "deleted a content rule",
    "policy.test": "ran a content rule against the log",
    "held.release": "let a held message through",
    "held.reject": "refused a held message",
    "staff.grant": "changed what a member of staff may do",
    "staff.enrol": "set up one-time codes",
    "staff.reset_codes": "took away somebody's one-time codes",
    "audit.export": "exported the audit log",
}
LONGEST_REASON = 500
_BATCH = 500
_LOCK = 0x61756469
_START = bytes(32)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest row: its number, and its hash in hexadecimal; `0:00…` of an empty log."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"

    @classmethod
    def read(cls, text: str) -> "Head":
        """Return the head that `str()` wrote; raise ValueError if it is none."""
        number, _, digest = text.strip().partition(":")
        if len(bytes.fromhex(digest)) != len(_START):
            raise ValueError(f"not NUMBER:HASH: {text!r}")
        return cls(int(number), digest.lower())


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a chain was found: its head as far as it is good, and what is wrong behind it, if anything."""

    head: Head
    broken: str | None


def record(  # noqa: PLR0913  # these are the columns of the log
    *,
    actor_id: int | None,
    act: str,
    target: str,
    reason: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    address: str,
    now: datetime,
) -> AuditEntry:
    """Append what was done, in the transaction that does it; raise InvalidRequest on a bad `reason`.

    Call it last: from here to the commit all others who record something wait, so whoever still
    wanted another lock could wait for one of them for ever.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an act and its record are one transaction")
    if act not in ACTS:
        raise ValueError(f"not an act: {act}")
    entry = AuditEntry(
        at=now.replace(microsecond=now.microsecond // 1000 * 1000), actor_id=actor_id
    )
    entry.act, entry.target, entry.address = act, target, address[:64]
    entry.reason = good_reason(reason)
    entry.before, entry.after = _canonical(before), _canonical(after)
    stamps.alone(_LOCK)
    last = AuditEntry.objects.order_by("-number").values_list("number", "digest").first()
    number, prior = last or (0, _START)
    entry.number, entry.prior = number + 1, bytes(prior)
    entry.digest = digest(entry)
    AuditEntry.objects.bulk_create([entry])
    return entry


def good_reason(reason: str) -> str:
    """Return the reason if it says something, in at most 500 characters; raise InvalidRequest."""
    strict.check_text(reason)
    if shapes.is_blank(reason):
        raise InvalidRequest.field("reason", "must not be empty")
    if len(reason) > LONGEST_REASON:
        raise InvalidRequest.field("reason", f"must have at most {LONGEST_REASON} characters")
    return reason


def _canonical(value: dict[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def shape(entry: AuditEntry) -> dict[str, Any]:
    """Return a row as it is hashed and exported; of `before` and `after` the very bytes stored."""
    return {
        "number": entry.number,
        "at": clock.wire(entry.at),
        "actor_id": entry.actor_id,
        "act": entry.act,
        "target": entry.target,
        "reason": entry.reason,
        "before": None if entry.before is None else orjson.Fragment(entry.before),
        "after": None if entry.after is None else orjson.Fragment(entry.after),
        "address": entry.address,
        "prior": bytes(entry.prior).hex(),
    }


def digest(entry: AuditEntry) -> bytes:
    """Return SHA-256 over the canonical JSON of a row: keys sorted, no spaces, UTF-8."""
    return hashlib.sha256(orjson.dumps(shape(entry), option=orjson.OPT_SORT_KEYS)).digest()


def walk(*, after: int = 0) -> Iterator[AuditEntry]:
    """Yield the rows behind number `after`, oldest first, few of them in memory at a time."""
    while batch := list(AuditEntry.objects.filter(number__gt=after).order_by("number")[:_BATCH]):
        yield from batch
        after = batch[-1].number


def verify(*, known: Head | None = None) -> Verdict:
    """Compute the chain anew and return its head, or the first row that does not hold.

    Rows missing at the end show only against a head that was `known` before.
    """
    head, last, met = Head(0, _START.hex()), _START, known is None or known.number == 0
    for entry in walk():
        wrong = _wrong(entry, head.number + 1, last)
        last = bytes(entry.digest)
        if known and entry.number == known.number:
            met = True
            wrong = wrong or (
                "is not the row that was known" if last.hex() != known.digest else None
            )
        if wrong:
            return Verdict(head, f"row {entry.number} {wrong}")
        head = Head(entry.number, last.hex())
    return Verdict(head, None if met or known is None else f"row {known.number} is missing")


def _wrong(entry: AuditEntry, expected: int, last: bytes) -> str | None:
    if entry.number != expected:
        return f"stands where row {expected} should"
    if bytes(entry.prior) != last:
        return "does not follow the row before it"
    if bytes(entry.digest) != digest(entry):
        return "was changed"
    return None
