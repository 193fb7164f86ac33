"""Heads as their members see them: one statement, so one snapshot, and the one shape (API §3).

Unread is a difference of ordinals less the entries that do not count (`Uncounted`), never a stored
counter; both exceptions are looked up only where one can lie above the member's marker.
"""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, NamedTuple

import orjson

from accounts import profiles
from imsite.core import rows, stamps

ACTIVE = "m.state = 'active' AND c.dissolved_at IS NULL"
# A head changes when either of its rows does; once the membership ended, only its own row counts.
STAMP = "(CASE WHEN m.state = 'active' AND c.stamp > m.stamp THEN c.stamp ELSE m.stamp END)"
VERSION = "(CASE WHEN m.state = 'active' THEN c.version + m.version ELSE m.version END)"


def low_seq() -> str:
    """Return SQL for the seq up to which nothing is unread for this member."""
    window = "(CASE WHEN c.history = 'all' THEN 0 ELSE m.visible_from - 1 END)"
    return stamps.greatest("m.read_seq", "c.floor_seq", window)


def low_ordinal() -> str:
    """Return SQL for the ordinal at `low_seq`."""
    window = "(CASE WHEN c.history = 'all' THEN 0 ELSE m.visible_ordinal END)"
    return stamps.greatest("m.read_ordinal", "c.floor_ordinal", window)


def unread() -> str:
    """Return SQL for the exact unread count of an active membership."""
    low = low_seq()
    return f"""(c.head_ordinal - {low_ordinal()} - CASE
 WHEN {stamps.greatest("c.uncounted_seq", "m.rewound_seq")} > {low} THEN
 (SELECT count(DISTINCT x.seq) FROM conversations_uncounted x
  WHERE x.conversation_id = c.id AND x.user_id IN (0, m.user_id) AND x.seq > {low})
 ELSE 0 END)"""


def mentions() -> str:
    """Return SQL for the exact count of unread mentions of an active membership."""
    return f"""(CASE WHEN c.head_ordinal > {low_ordinal()} THEN
 (SELECT count(DISTINCT n.seq) FROM conversations_mention n
  WHERE n.conversation_id = c.id AND n.user_id IN (0, m.user_id)
    AND n.sender_id <> m.user_id AND n.seq > {low_seq()})
 ELSE 0 END)"""


class _Row(NamedTuple):
    """What is read of a head, in the order of `_COLUMNS`; times as the API writes them."""

    id: int
    kind: str
    title: str | None
    avatar_media_id: int | None
    member_count: int
    created_at: str
    head_seq: int
    floor_seq: int
    backlog_seq: int
    preview_seq: int
    preview: str
    announcement: str
    mute_all: bool
    join: str
    history: str
    retention_days: int | None
    is_dissolved: bool
    shown_floor_seq: int | None
    role: str
    state: str
    joined_at: str
    visible_from: int
    left_seq: int
    left_floor_seq: int
    read_seq: int
    muted_until: str | None
    notify: str
    pinned: bool
    hidden: bool
    nickname: str | None
    version: int
    peer_id: int | None
    peer_name: str | None
    peer_avatar: int | None
    peer_read_seq: int | None
    unread: int
    mentions: int


def _columns() -> str:
    return f"""
 c.id, c.kind, c.title, c.avatar_media_id, c.member_count, {rows.wire_time("c.created_at")},
 c.head_seq, c.floor_seq, c.backlog_seq, c.preview_seq, c.preview, c.announcement,
 (c.mute_all OR c.frozen_at IS NOT NULL), c."join", c.history, c.retention_days,
 c.dissolved_at IS NOT NULL, c.shown_floor_seq,
 m.role, m.state, {rows.wire_time("m.joined_at")}, m.visible_from, m.left_seq, m.left_floor_seq,
 m.read_seq, {rows.wire_time("m.muted_until")}, m.notify, m.pinned, m.hidden, m.nickname,
 {VERSION}, u.id, u.display_name, u.avatar_media_id,
 (SELECT p.read_seq FROM conversations_membership p
  WHERE p.user_id = u.id AND p.conversation_id = c.id),
 {unread()}, {mentions()}"""


def asking(user_id: int, ids: Sequence[int]) -> rows.Question:
    """Return what asks for the heads of these conversations as this user sees them, in any order.

    Whoever shows a list picks what is in it first, by its own key: looked up by theirs, heads cost the
    same however many conversations there are, and the statement is planned in a third of the time.
    """
    these, params = rows.among("m.conversation_id", ids)
    return _sql(rows.vendor(), these), [user_id, *params]


@cache
def _sql(vendor: str, these: str) -> str:
    return f"""SELECT {_columns()} FROM conversations_membership m
 JOIN conversations_conversation c ON c.id = m.conversation_id
 LEFT JOIN accounts_user u ON u.id = CASE WHEN c.low_id = m.user_id THEN c.high_id ELSE c.low_id END
 WHERE m.user_id = %s AND {these}"""


def shapes(found: Collection[tuple[Any, ...]]) -> dict[int, dict[str, Any]]:
    """Return the heads in the answer to `asking`, ready for orjson, by conversation."""
    return {row[0]: _shape(_Row._make(row)) for row in found}


def many(user_id: int, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the heads of these conversations as this user sees them, but of those he was never in."""
    return shapes(rows.fetch(*asking(user_id, ids))) if ids else {}


def one(user_id: int, conversation_id: int) -> dict[str, Any] | None:
    """Return the head of a conversation as this user sees it; None if they never were in it."""
    return many(user_id, [conversation_id]).get(conversation_id)


def _shape(seen: _Row) -> dict[str, Any]:
    if seen.state != "active":
        return _ended(seen, seen.state, seen.left_seq, seen.left_floor_seq)
    if seen.is_dissolved:
        # As it stood; what is purged since shows nowhere.
        floor = seen.floor_seq if seen.shown_floor_seq is None else seen.shown_floor_seq
        return _ended(seen, "dissolved", seen.head_seq, max(floor, _visible_from(seen) - 1))
    return _active(seen)


def _visible_from(seen: _Row) -> int:
    return 1 if seen.history == "all" else seen.visible_from


def _active(seen: _Row) -> dict[str, Any]:
    direct = seen.kind == "direct"
    visible_from = _visible_from(seen)
    floor = max(seen.floor_seq, visible_from - 1)
    return {
        "id": seen.id,
        "kind": seen.kind,
        "title": seen.peer_name if direct else seen.title,
        "avatar_url": profiles.avatar_url(seen.peer_avatar if direct else seen.avatar_media_id),
        "peer_id": seen.peer_id,
        "member_count": seen.member_count,
        "created_at": seen.created_at,
        "version": seen.version,
        "last_seq": seen.head_seq,
        "floor_seq": floor,
        "backlog_from": max(seen.backlog_seq, floor) + 1,
        "read_seq": seen.read_seq,
        "unread": seen.unread,
        "mentions": seen.mentions,
        "peer_read_seq": seen.peer_read_seq,
        "preview": orjson.Fragment(seen.preview) if seen.preview_seq > floor else None,
        "membership": {
            "role": seen.role,
            "joined_at": seen.joined_at,
            "visible_from": visible_from,
            "muted_until": seen.muted_until,
            "notify": seen.notify,
            "pinned": bool(seen.pinned),
            "hidden": bool(seen.hidden),
            "nickname": seen.nickname,
        },
        "settings": {
            "announcement": seen.announcement,
            "mute_all": bool(seen.mute_all),
            "join": seen.join,
            "history": seen.history,
            "retention_days": seen.retention_days,
        },
        "state": seen.state,
    }


def _ended(seen: _Row, state: str, last_seq: int, floor_seq: int) -> dict[str, Any]:
    """A head that ended for its member: as it stood then, without what it held."""
    return {
        "id": seen.id,
        "kind": seen.kind,
        "title": None,
        "avatar_url": None,
        "peer_id": seen.peer_id,
        "member_count": 0,
        "created_at": seen.created_at,
        "version": seen.version,
        "last_seq": last_seq,
        "floor_seq": floor_seq,
        "backlog_from": last_seq + 1,
        "read_seq": seen.read_seq,
        "unread": 0,
        "mentions": 0,
        "peer_read_seq": None,
        "preview": None,
        "membership": None,
        "settings": None,
        "state": state,
    }
