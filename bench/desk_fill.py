"""Fills a database for `bench.desk`: logs of a million entries, people, reports, held messages, audit."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

PER_LOG = 1_000
MEMBERS = 20
_PEOPLE = 20_000
_CASES, _CLOSED, _HELD, _AUDIT, _ORDERS = 10_000, 10_000, 10_000, 100_000, 1_000
_COLUMNS = (
    "id", "conversation_id", "sender_id", "client_id", "kind", "ordinal", "created_at", "wire",
)  # fmt: skip


def fill(logs: int) -> None:
    """Make so many logs of a thousand entries, and all that staff may have to look at beside them."""
    _people()
    _groups(logs)
    for place in range(1, logs + 1):
        _log(place)
    root = _staff()
    _reports(logs, root)
    _held(logs)
    _orders(root)
    _audit(root)


def sender(place: int, n: int) -> int:
    """Return who wrote item `n` of a log."""
    return (place * MEMBERS + n % MEMBERS) % _PEOPLE + 1


def _people() -> None:
    from accounts.models import Device, User
    from imsite.core import clock

    now = clock.now()
    people = [
        User(username=f"user{n}", username_key=f"user{n}", display_name=f"User {n}", created_at=now)
        for n in range(_PEOPLE)
    ]
    for user in people:
        user.call(user.display_name)
    User.objects.bulk_create(people, batch_size=5_000)
    seen = {"rotated_at": now, "created_at": now, "last_seen_at": now, "salt": b"0" * 16}
    devices = [Device(user_id=n + 1, **seen) for n in range(_PEOPLE)]
    Device.objects.bulk_create(devices, batch_size=5_000)


def _groups(logs: int) -> None:
    from conversations.models import Conversation, Membership
    from imsite.core import clock

    now = clock.now()
    heads = {"head_seq": PER_LOG, "head_ordinal": PER_LOG, "member_count": MEMBERS}
    groups = [
        Conversation(kind="group", title=f"Group {n}", created_at=now, last_at=now, **heads)
        for n in range(logs)
    ]
    Conversation.objects.bulk_create(groups, batch_size=2_000)
    seats = [
        Membership(conversation_id=place, user_id=sender(place, n), joined_at=now)
        for place in range(1, logs + 1)
        for n in range(MEMBERS)
    ]
    Membership.objects.bulk_create(seats, batch_size=5_000)


def _text(place: int, seq: int) -> str:
    """Return a text with a word that all have, one of fifty, and one of its own."""
    return f"message about topic{place * seq % 50} number{place}x{seq}"


def _wire(place: int, seq: int) -> str:
    return (
        f'{{"seq":{seq},"ordinal":{seq},"kind":"text","sender_id":{sender(place, seq)},'
        f'"sent_at":"2026-11-23T14:50:00.123Z","text":"{_text(place, seq)}"}}'
    )


def _log(place: int) -> None:
    from django.db import transaction

    from imsite.core import clock, rows, stamps
    from messages import search
    from messages.models import packed

    moment, entries, terms = rows.moment(clock.now()), [], []
    for seq in range(1, PER_LOG + 1):
        key, who = packed(place, seq), sender(place, seq)
        client_id = UUID(int=key).hex if stamps.is_sqlite() else UUID(int=key)
        entries.append((key, place, who, client_id, "text", seq, moment, _wire(place, seq)))
        terms.append((key, search.terms({"kind": "text", "text": _text(place, seq)})))
    with transaction.atomic():
        rows.insert("messagelog_entry", _COLUMNS, entries)
        search.index(terms)


def _staff() -> int:
    from accounts.models import User

    return User.objects.create_superuser("root", "correct horse battery").pk


def _reports(logs: int, root: int) -> None:
    """Open and closed cases, two reports each."""
    from imsite.core import clock
    from messages.models import Case, Report

    now, made = clock.now(), []
    for n in range(_CASES + _CLOSED):
        place, seq = n % logs + 1, n // logs + 1
        closed: dict[str, Any] = {}
        if n >= _CASES:
            closed = {"closed_at": now, "closed_by_id": root, "outcome": "dismiss", "reason": "ok"}
        excerpt, opened = _wire(place, seq), now - timedelta(seconds=_CASES + _CLOSED - n)
        made.append(
            Case(
                conversation_id=place, seq=seq, accused_id=sender(place, seq), excerpt=excerpt,
                opened_at=opened, **closed,
            )
        )  # fmt: skip
    Case.objects.bulk_create(made, batch_size=2_000)
    reports = [
        Report(
            conversation_id=case.conversation_id, seq=case.seq, case=case, reason="spam",
            reporter_id=sender(case.conversation_id, case.seq + 1 + n), excerpt=case.excerpt,
            created_at=case.opened_at, closed_at=case.closed_at,
        )
        for case in made
        for n in range(2)
    ]  # fmt: skip
    Report.objects.bulk_create(reports, batch_size=2_000)


def _held(logs: int) -> None:
    from imsite.core import clock
    from messages.models import Held

    said = '{"kind":"text","text":"cheap watches","body":null,"reply_to":null,"mentions":null}'
    now = clock.now()
    Held.objects.bulk_create(
        [
            Held(
                conversation_id=n % logs + 1, sender_id=sender(n % logs + 1, n), digest=b"0" * 8,
                client_id=UUID(int=n), message=said, rule_id=1, rule_name="watches",
                held_at=now - timedelta(seconds=_HELD - n),
            )
            for n in range(_HELD)
        ],
        batch_size=2_000,
    )  # fmt: skip


def _orders(root: int) -> None:
    from imsite.core import clock
    from messages.models import RecallOrder

    now = clock.now()
    done = {"ordered_at": now, "touched_at": now, "done_at": now, "expected": 20, "recalled": 20}
    RecallOrder.objects.bulk_create(
        RecallOrder(ordered_by_id=root, reason="spam", chosen=f'{{"sender_id":{n + 1}}}', **done)
        for n in range(_ORDERS)
    )


def _audit(root: int) -> None:
    """Rows of the size of real ones; `audit.record` would take them one by one."""
    from accounts.models import AuditEntry
    from imsite.core import clock

    now, prior, rows = clock.now(), bytes(32), []
    for n in range(1, _AUDIT + 1):
        digest = hashlib.sha256(prior).digest()
        rows.append(
            AuditEntry(
                number=n, at=now, actor_id=root, act=("user.ban", "user.mute", "report.close")[n % 3],
                target=f"user:{n % _PEOPLE + 1}", reason="spam, again and again", address="192.0.2.7",
                before="{}", after='{"until":null}', prior=prior, digest=digest,
            )
        )  # fmt: skip
        prior = digest
    AuditEntry.objects.bulk_create(rows, batch_size=2_000)
