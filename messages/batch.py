"""Entries on their way into the log: gathers the rows of one transaction and writes each table once."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.db import transaction

from conversations import heads
from conversations.models import Mention
from imsite.core import clock, metrics, rows, stamps
from messages import search, wire
from messages.kinds import KINDS
from messages.models import DayMark, Entry, packed
from messages.ready import Ready

_ENTRY = (
    "id",
    "conversation_id",
    "sender_id",
    "client_id",
    "kind",
    "ordinal",
    "created_at",
    "wire",
    "digest",
)
_KIND = _ENTRY.index("kind")


def client_id_param(client_id: str) -> str:
    """Return a client_id as a parameter for raw SQL."""
    return client_id.replace("-", "") if stamps.is_sqlite() else client_id


@dataclass(slots=True)
class Batch:
    """Rows to be written together; `add` moves the head in memory, `flush` writes."""

    entries: list[tuple[Any, ...]] = field(default_factory=list)
    mentions: list[tuple[int, int, int, int]] = field(default_factory=list)
    marks: list[tuple[int, int, int, int]] = field(default_factory=list)
    terms: list[tuple[int, str]] = field(default_factory=list)
    # The newest item of each head that counts: of a group of sends only the last is shown in lists.
    newest: dict[int, tuple[heads.Head, dict[str, Any]]] = field(default_factory=dict)
    # A time as the API and as the database write it: a group of sends shares one.
    times: dict[datetime, tuple[str, Any]] = field(default_factory=dict)

    def add(
        self,
        head: heads.Head,
        ready: Ready,
        *,
        now: datetime,
        client_id: str | None = None,
        digest: bytes | None = None,
    ) -> dict[str, Any]:
        """Give an item the next seq of a locked head, and return it at its place."""
        item = ready.item
        kind = KINDS[item["kind"]]
        self._mark_day(head, now)
        head.head_seq += 1
        head.head_ordinal += kind.counts
        sent_at, created_at = self._time(now)
        self.entries.append(
            (
                packed(head.id, head.head_seq),
                head.id,
                item["sender_id"],
                client_id and client_id_param(client_id),
                kind.name,
                head.head_ordinal,
                created_at,
                wire.placed(ready.halves, head.head_seq, head.head_ordinal, sent_at),
                digest,
            )
        )
        if not kind.changes_only:
            head.last_at = now
        place = {"seq": head.head_seq, "ordinal": head.head_ordinal, "sent_at": sent_at}
        placed = place | item
        if kind.counts:
            self._note_content(head, placed, ready.terms)
        return placed

    def _time(self, now: datetime) -> tuple[str, Any]:
        if now not in self.times:
            self.times[now] = (clock.wire(now), rows.moment(now))
        return self.times[now]

    def _note_content(self, head: heads.Head, item: dict[str, Any], terms: str) -> None:
        """Keep what is derived from the content: preview, terms to search, mentions."""
        head.preview_seq = item["seq"]
        self.newest[head.id] = head, item
        if terms:
            self.terms.append((packed(head.id, item["seq"]), terms))
        self.mentions += mention_rows(head.id, item)

    def _mark_day(self, head: heads.Head, now: datetime) -> None:
        day = now.toordinal()
        if day != head.marked_day:
            self.marks.append((head.id, day, head.head_seq + 1, head.head_ordinal))
            head.marked_day = day

    def flush(self) -> None:
        """Write all rows, each table in one statement; the previews of heads are theirs to save."""
        for head, item in self.newest.values():
            head.preview = preview(item)
        rows.insert(Entry._meta.db_table, _ENTRY, self.entries)
        insert_mentions(self.mentions)
        rows.insert(
            DayMark._meta.db_table,
            ("conversation_id", "day", "seq", "ordinal"),
            self.marks,
            skip=True,
        )
        if self.terms:
            search.index(self.terms)
        counted = sum(KINDS[each[_KIND]].counts for each in self.entries)
        transaction.on_commit(lambda: metrics.appended(counted, len(self.entries) - counted))


def mention_rows(conversation_id: int, item: dict[str, Any]) -> list[tuple[int, int, int, int]]:
    """Return who is mentioned: one row a person, user 0 for all of them; oneself never."""
    told = item.get("mentions") or ()
    people = [0] if told == "all" else [each for each in told if each != item["sender_id"]]
    return [(conversation_id, each, item["seq"], item["sender_id"]) for each in people]


def insert_mentions(found: list[tuple[int, int, int, int]]) -> None:
    """Store mentions."""
    columns = ("conversation_id", "user_id", "seq", "sender_id")
    rows.insert(Mention._meta.db_table, columns, found)


def preview(item: dict[str, Any]) -> str:
    """Return the rendered `preview` of a head; a recalled entry shows no text."""
    shown = None
    if "recalled_at" not in item:
        shown = KINDS[item["kind"]].preview(item.get("text"), item.get("body"))
    parts = {name: item[name] for name in ("seq", "kind", "sender_id", "sent_at")}
    return orjson.dumps(parts | {"text": shown}).decode()
