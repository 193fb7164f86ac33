"""Search in what one may read: cuts words alike for every database, keeps and asks their index."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any

import orjson
import regex
from django.db import connection

from imsite.core import cursor as positions
from imsite.core import rows, stamps
from messages import history, windows
from messages.kinds import KINDS
from messages.models import SEQ_BITS

_LONGEST = 64
_LAST_PLACE = 16_383  # PostgreSQL keeps no positions beyond
_IGNORED = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
# Scripts without spaces, or with endings stuck on: each character is a word, so that what is asked
# for may begin and end anywhere.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = regex.compile(
    rf"(?V1)[{_UNSPACED}]\p{{M}}*|(?:[\p{{L}}\p{{N}}--[{_UNSPACED}]]\p{{M}}*)+"
    r"|\p{Extended_Pictographic}"
)
_PLAIN = re.compile(r"[a-z0-9]+")
# One statement, so one snapshot of what may be read. Only SQLite heeds the order of a CROSS JOIN: one
# window bounds the index, but many are held against its hits, which it gathers once. Times are
# compared before the items are fetched: a sort would carry them all.
_FOUND = """WITH w AS (
 SELECT c.id, c.id << {bits} | {floor} AS low, c.id << {bits} | c.head_seq AS high
 FROM conversations_membership m JOIN conversations_conversation c ON c.id = m.conversation_id
 WHERE m.user_id = %s AND m.state = 'active' AND c.dissolved_at IS NULL {here}),
hit AS (
 SELECT x.id, x.created_at FROM {joined} CROSS JOIN messagelog_entry x
 WHERE {match} AND w.id = s.{key} >> {bits} AND s.{key} > w.low AND s.{key} <= w.high
  AND x.id = s.{key} AND x.recalled_at IS NULL {older}
 ORDER BY x.created_at DESC, x.id DESC LIMIT %s)
SELECT e.id, e.created_at, e.wire FROM hit CROSS JOIN messagelog_entry e
 WHERE e.id = hit.id ORDER BY hit.created_at DESC, hit.id DESC"""
_INDEX = "messagelog_searchtext"
# PostgreSQL guesses how common a word is, and for one that few entries hold it went through a million
# of them in the order of their keys. So it is told: first look through so many of the nearest (20 ms),
# then, since the words are not common, gather all that have them, from their index.
_NEAR = 10_000
_NEARBY = """SELECT s.entry_id FROM (SELECT entry_id, words FROM {index}
 WHERE entry_id {than} %s ORDER BY entry_id {order} LIMIT {near}) s
 WHERE s.words @@ %s::tsquery ORDER BY s.entry_id {order} LIMIT %s"""
_ANYWHERE = """SELECT s.entry_id FROM (SELECT entry_id FROM {index}
 WHERE words @@ %s::tsquery AND entry_id {than} %s OFFSET 0) s
 ORDER BY s.entry_id {order} LIMIT %s"""


def words(item: dict[str, Any]) -> str:
    """Return the words of an item that people may look for, a space between them."""
    found = KINDS[item["kind"]].strings(item.get("text"), item.get("body"))
    return " ".join(_cut("\n".join(found)))


def terms(item: dict[str, Any]) -> str:
    """Return the words of an item as the index keeps them."""
    found = words(item)
    return found if stamps.is_sqlite() or not found else _vector(found)


def index(found: Sequence[tuple[int, str]]) -> None:
    """Make entries (id, terms) findable; those that are so already must be forgotten first."""
    rows.insert(_INDEX, (_key(), "words"), found)


def forget(entry_ids: Iterable[int]) -> None:
    """Take entries out of the index, in the transaction that takes their content away."""
    with connection.cursor() as statement:
        statement.executemany(
            f"DELETE FROM {_INDEX} WHERE {_key()} = %s", [(each,) for each in entry_ids]
        )


def forget_span(low: int, high: int) -> None:
    """Take all entries with low < id <= high out of the index."""
    key = _key()
    rows.execute(f"DELETE FROM {_INDEX} WHERE {key} > %s AND {key} <= %s", [low, high])


def containing(phrase: str) -> tuple[str, str] | None:
    """Return SQL for the entries `e` in which these words stand side by side, from the index `s`,
    and the parameter in it; None if there is no word in the phrase."""
    found = _cut(phrase)
    if not found:
        return None
    if stamps.is_sqlite():
        # Only SQLite heeds the order of a CROSS JOIN: first the words.
        sql = f"{_INDEX} s CROSS JOIN messagelog_entry e ON e.id = s.{_key()} AND s.words MATCH %s"
        return sql, f'"{" ".join(found)}"'
    sql = f"{_INDEX} s JOIN messagelog_entry e ON e.id = s.{_key()} AND s.words @@ %s::tsquery"
    return sql, " <-> ".join(f"'{word}'" for word in found)


def find(
    caller_id: int,
    *,
    q: str,
    conversation_id: int | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """Return a page of the items with all words of `q` (the last may go on), newest first.

    Only what the caller may read at this moment; NotFound if that is nothing of the conversation.
    """
    scope = f"search:{conversation_id}:{sha256(q.encode()).hexdigest()}"
    after = [] if cursor is None else positions.unseal(scope, caller_id, cursor)
    if conversation_id is not None:
        history.readable(caller_id, conversation_id)
    found = _matches(caller_id, q, conversation_id, after, limit + 1)
    more = found[limit - 1] if len(found) > limit else None
    return {
        "items": [_item(key, wire) for key, _, wire in found[:limit]],
        "next": more and positions.seal(scope, caller_id, [str(more[1]), more[0]]),
    }


def places(q: str, *, below: int | None, above: int | None, count: int) -> list[int]:
    """Return the keys of up to `count` entries with all words of `q`, for those who may read all.

    The highest keys below `below`, or the lowest above `above`.
    """
    phrases = _phrases(q)
    if not phrases:
        return []
    than, order, bound = ("<", "DESC", below) if above is None else (">", "ASC", above)
    start = 2**63 - 1 if bound is None else bound
    if stamps.is_sqlite():
        sql = f"""SELECT s.rowid FROM {_INDEX} s WHERE s.words MATCH %s AND s.rowid {than} %s
 ORDER BY s.rowid {order} LIMIT %s"""
        return [row[0] for row in rows.fetch(sql, [_fts5(phrases), start, count])]
    sides = {"index": _INDEX, "than": than, "order": order, "near": _NEAR}
    near = rows.fetch(_NEARBY.format(**sides), [start, _tsquery(phrases), count])
    if len(near) < count:
        near = rows.fetch(_ANYWHERE.format(**sides), [_tsquery(phrases), start, count])
    return [row[0] for row in near]


def _matches(
    caller_id: int, q: str, conversation_id: int | None, after: list[Any], count: int
) -> list[tuple[Any, ...]]:
    """Return (id, time, wire) of up to `count` entries older than `after`, newest first."""
    phrases = _phrases(q)
    if not phrases:
        return []
    here = [] if conversation_id is None else [conversation_id]
    expression = _fts5(phrases) if stamps.is_sqlite() else _tsquery(phrases)
    sql = _sql(rows.vendor(), bool(here), bool(after))
    return rows.fetch(sql, [caller_id, *here, expression, *after, count])


@cache
def _sql(vendor: str, here: bool, older: bool) -> str:
    return _FOUND.format(
        bits=SEQ_BITS,
        floor=windows.floor_sql(),
        here="AND c.id = %s" if here else "",
        joined=f"w CROSS JOIN {_INDEX} s" if here else f"{_INDEX} s CROSS JOIN w",
        match="s.words MATCH %s" if stamps.is_sqlite() else "s.words @@ %s::tsquery",
        key=_key(),
        older="AND (x.created_at, x.id) < (%s, %s)" if older else "",
    )


def _key() -> str:
    # The virtual table of SQLite has no key of its own but this.
    return "rowid" if stamps.is_sqlite() else "entry_id"


def _item(key: int, wire: str) -> dict[str, Any]:
    item: dict[str, Any] = orjson.loads(wire)
    return item | {"conversation_id": key >> SEQ_BITS}


def _cut(text: str) -> list[str]:
    """Return the words: letters and digits without case, marks kept, what is invisible dropped."""
    if text.isascii():
        found = _PLAIN.findall(text.lower())
    else:
        folded = unicodedata.normalize("NFKC", text).casefold()
        # Else it would let the interpreter's lock go, and stand in line for it with every request.
        seen = _IGNORED.sub("", folded, concurrent=False)
        found = _WORD.findall(seen, concurrent=False)
    return [word[:_LONGEST] for word in found]


def _phrases(q: str) -> list[tuple[str, ...]]:
    """Return the words asked for, each once and as what it is cut into; the last stays the last."""
    asked = [tuple(_cut(word)) for word in q.split()]
    return [*dict.fromkeys(filter(None, reversed(asked)))][::-1]


# Words hold letters, digits, marks and pictures only, so that quotes around them need no escaping.
def _fts5(phrases: list[tuple[str, ...]]) -> str:
    return " AND ".join(f'"{" ".join(phrase)}"' for phrase in phrases) + " *"


def _tsquery(phrases: list[tuple[str, ...]]) -> str:
    joined = (" <-> ".join(f"'{word}'" for word in phrase) for phrase in phrases)
    return " & ".join(f"({phrase})" for phrase in joined)[:-1] + ":*)"


def _vector(text: str) -> str:
    found = text.split(" ")
    return _places(len(found)) % tuple(found)


@lru_cache(maxsize=256)
def _places(count: int) -> str:
    """Return a vector of so many words, each still to be filled in; in one step, not word by word."""
    return " ".join(f"'%s':{min(place, _LAST_PLACE)}" for place in range(1, count + 1))
