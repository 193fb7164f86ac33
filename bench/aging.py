"""The seeding process's hands for expiry: logs of a month ago, and a run of what expires them."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F

from conversations.models import Conversation
from imsite.core import clock, rows, stamps
from messages import drafts, log, retention
from messages.models import DayMark, Entry, packed

Draft = Callable[[int, int], drafts.Draft]
_AT_ONCE = 1000
_LOG, _DAYS, _WORDS = Entry._meta.db_table, DayMark._meta.db_table, "messagelog_searchtext"


def fill(talks: list[int], sender_id: int, count: int, draft: Draft) -> None:
    """Fill conversations, which keep nothing for long, with `count` messages of a month ago.

    One of them as people would, the others as copies of it: through the domain a million take minutes.
    """
    Conversation.objects.filter(pk__in=talks).update(retention_days=10)
    first, *others = talks
    each, then = count // len(talks), clock.now() - timedelta(days=30)
    for start in range(0, each, _AT_ONCE):
        some = [draft(first, sender_id) for _ in range(min(_AT_ONCE, each - start))]
        log.append_many(some, now=clock.now(), times=[then] * len(some))
    for other in others:
        _copy(first, other, then)


@transaction.atomic
def _copy(first: int, other: int, then: datetime) -> None:
    shift, span = packed(other, 0) - packed(first, 0), [packed(first, 0), packed(first + 1, 0)]
    unlike = "lower(hex(randomblob(16)))" if stamps.is_sqlite() else "gen_random_uuid()"
    key = "rowid" if stamps.is_sqlite() else "entry_id"
    rows.execute(
        f"""INSERT INTO {_LOG} (id, conversation_id, sender_id, client_id, kind, ordinal, created_at,
  wire, digest)
 SELECT id + %s, %s, sender_id, {unlike}, kind, ordinal, created_at, wire, digest
 FROM {_LOG} WHERE id > %s AND id < %s""",
        [shift, other, *span],
    )
    rows.execute(
        f"""INSERT INTO {_WORDS} ({key}, words) SELECT {key} + %s, words FROM {_WORDS}
 WHERE {key} > %s AND {key} < %s""",
        [shift, *span],
    )
    rows.execute(
        f"""INSERT INTO {_DAYS} (conversation_id, day, seq, ordinal, in_backlog)
 SELECT %s, day, seq, ordinal, in_backlog FROM {_DAYS} WHERE conversation_id = %s""",
        [other, first],
    )
    head = Conversation.objects.get(pk=first)
    Conversation.objects.filter(pk=other).update(
        head_seq=head.head_seq,
        head_ordinal=head.head_ordinal,
        push_seq=head.head_seq,
        last_at=then,
        version=F("version") + 1,
        stamp=stamps.take(),
    )


def expire() -> dict[str, Any]:
    """Expire what is due; return how much went, in what time, and bytes of memory before and at most."""
    Path("/proc/self/clear_refs").write_text("5")
    before, start = _memory("VmRSS"), time.perf_counter()
    done = retention.expire(now=clock.now())
    took = time.perf_counter() - start
    return {
        "entries": done.gone["entries"],
        "seconds": took,
        "before": before,
        "peak": _memory("VmHWM"),
    }


_TIDIED = """SELECT count(*) FROM pg_stat_user_tables
 WHERE relname IN (%s, %s) AND n_dead_tup > 0.2 * n_live_tup"""


def tidied(seconds: float) -> float:
    """Wait until autovacuum has looked at what an expiry left, or so long; return how long it took.

    It looks once a minute; until then PostgreSQL has no space to use again.
    """
    start = time.monotonic()
    while not stamps.is_sqlite() and time.monotonic() - start < seconds:
        [(left,)] = rows.fetch(_TIDIED, [_LOG, _WORDS])
        if not left:
            break
        time.sleep(1)
    return time.monotonic() - start


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [each for each in lines if each.startswith(name)]
    return int(line.split()[1]) * 1024
