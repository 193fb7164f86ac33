"""Heads as their members see them: one statement, so one snapshot, and the one shape (API §3).

Unread is a difference of ordinals less the entries that do not count (`Uncounted`), never a stored
counter; both exceptions are looked up only where one can lie above the member's marker.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson

from accounts import profiles
from imsite.core import rows, stamps

NAMES = (
    "id", "kind", "title", "avatar_media_id", "member_count", "created_at", "version",
    "head_seq", "floor_seq", "backlog_seq", "preview_seq", "preview", "announcement", "mute_all",
    "join", "history", "retention_days", "dissolved_at", "shown_floor_seq",
    "role", "state", "joined_at", "visible_from", "left_seq", "left_floor_seq", "read_seq",
    "muted_until", "notify", "pinned", "hidden", "nickname", "own_version",
    "peer_id", "peer_name", "peer_avatar", "peer_read_seq", "unread", "mentions",
)  # fmt: skip
_COLUMNS = """
 c.id, c.kind, c.title, c.avatar_media_id, c.member_count, c.created_at, c.version,
 c.head_seq, c.floor_seq, c.backlog_seq, c.preview_seq, c.preview, c.announcement,
 (c.mute_all OR c.frozen_at IS NOT NULL),
 c."join", c.history, c.retention_days, c.dissolved_at, c.shown_floor_seq,
 m.role, m.state, m.joined_at, m.visible_from, m.left_seq, m.left_floor_seq, m.read_seq,
 m.muted_until, m.notify, m.pinned, m.hidden, m.nickname, m.version,
 u.id, u.display_name, u.avatar_media_id, p.read_seq"""
_PEER = """
 LEFT JOIN accounts_user u
   ON u.id = CASE WHEN c.low_id = m.user_id THEN c.high_id ELSE c.low_id END
 LEFT JOIN conversations_membership p ON p.conversation_id = c.id AND p.user_id = u.id"""

ACTIVE = "m.state = 'active' AND c.dissolved_at IS NULL"
# A head changes when either of its rows does; once the membership ended, only its own row counts.
STAMP = "(CASE WHEN m.state = 'active' AND c.stamp > m.stamp THEN c.stamp ELSE m.stamp END)"


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


def select(*, where: str, keys: Sequence[str], order: str, site: str = "") -> str:
    """Return the statement for the heads of one user (the first parameter), `%s` limit the last.

    Rows are picked by `where` and ordered by `order` over `k1`, `k2`, … (the `keys`, which are also
    the last columns). With `site`, columns of the site's row `s` come first, in at least one row.
    """
    picked = ", ".join(f"{key} AS k{n}" for n, key in enumerate(keys, 1))
    names = ", ".join(f"k.k{n}" for n in range(1, len(keys) + 1))
    first = "LEFT" if site else ""
    # By its key: of a table of one row, which nobody ever analyses, PostgreSQL expects hundreds.
    one = "WHERE s.id = 1" if site else ""
    start = "conversations_site s LEFT JOIN picked k ON 1 = 1" if site else "picked k"
    return f"""WITH picked AS (SELECT m.id AS membership_id, {picked}
 FROM conversations_membership m JOIN conversations_conversation c ON c.id = m.conversation_id
 WHERE m.user_id = %s AND {where} ORDER BY {order} LIMIT %s)
 SELECT {site + "," if site else ""} {_COLUMNS}, {unread()}, {mentions()}, {names} FROM {start}
 {first} JOIN conversations_membership m ON m.id = k.membership_id
 {first} JOIN conversations_conversation c ON c.id = m.conversation_id {_PEER}
 {one} ORDER BY {order}"""


@cache
def _one_sql(vendor: str) -> str:
    return select(where="m.conversation_id = %s", keys=["m.id"], order="k1")


def one(user_id: int, conversation_id: int) -> dict[str, Any] | None:
    """Return the head of a conversation as this user sees it; None if they never were in it."""
    found = rows.fetch(_one_sql(rows.vendor()), [user_id, conversation_id, 1])
    return shape(found[0]) if found else None


def shape(row: Sequence[Any]) -> dict[str, Any]:
    """Return the head in one row of `select` (site columns cut off), ready for orjson."""
    seen = dict(zip(NAMES, row, strict=False))
    if seen["state"] == "active" and not seen["dissolved_at"]:
        return _common(seen) | _active(seen)
    return _common(seen) | _ended(seen)


def _common(seen: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": seen["id"],
        "kind": seen["kind"],
        "title": None,
        "avatar_url": None,
        "peer_id": seen["peer_id"],
        "member_count": 0,
        "created_at": rows.wire_time(seen["created_at"]),
        "version": seen["own_version"],
        "last_seq": seen["left_seq"],
        "floor_seq": seen["left_floor_seq"],
        "backlog_from": 0,
        "read_seq": seen["read_seq"],
        "unread": 0,
        "mentions": 0,
        "peer_read_seq": None,
        "preview": None,
        "membership": None,
        "settings": None,
        "state": seen["state"],
    }


def _floor(seen: dict[str, Any]) -> int:
    return int(max(seen["floor_seq"], _visible_from(seen) - 1))


def _floor_at_end(seen: dict[str, Any]) -> int:
    """Return the floor of a dissolved conversation as it stood; what is purged since shows nowhere."""
    if seen["shown_floor_seq"] is None:
        return _floor(seen)
    return int(max(seen["shown_floor_seq"], _visible_from(seen) - 1))


def _visible_from(seen: dict[str, Any]) -> int:
    return 1 if seen["history"] == "all" else int(seen["visible_from"])


def _active(seen: dict[str, Any]) -> dict[str, Any]:
    direct = seen["kind"] == "direct"
    floor = _floor(seen)
    return {
        "title": seen["peer_name"] if direct else seen["title"],
        "avatar_url": profiles.avatar_url(seen["peer_avatar" if direct else "avatar_media_id"]),
        "member_count": seen["member_count"],
        "version": seen["version"] + seen["own_version"],
        "last_seq": seen["head_seq"],
        "floor_seq": floor,
        "backlog_from": max(seen["backlog_seq"], floor) + 1,
        "unread": seen["unread"],
        "mentions": seen["mentions"],
        "peer_read_seq": seen["peer_read_seq"],
        "preview": orjson.Fragment(seen["preview"]) if seen["preview_seq"] > floor else None,
        "membership": _membership(seen),
        "settings": _settings(seen),
    }


def _membership(seen: dict[str, Any]) -> dict[str, Any]:
    return {
        "role": seen["role"],
        "joined_at": rows.wire_time(seen["joined_at"]),
        "visible_from": _visible_from(seen),
        "muted_until": rows.wire_time(seen["muted_until"]),
        "notify": seen["notify"],
        "pinned": bool(seen["pinned"]),
        "hidden": bool(seen["hidden"]),
        "nickname": seen["nickname"],
    }


def _settings(seen: dict[str, Any]) -> dict[str, Any]:
    return {
        "announcement": seen["announcement"],
        "mute_all": bool(seen["mute_all"]),
        "join": seen["join"],
        "history": seen["history"],
        "retention_days": seen["retention_days"],
    }


def _ended(seen: dict[str, Any]) -> dict[str, Any]:
    """A head that ended while its member was there: dissolved; its row goes on as it stood."""
    if seen["state"] == "active":
        found = {
            "version": seen["version"] + seen["own_version"],
            "last_seq": seen["head_seq"],
            "floor_seq": _floor_at_end(seen),
            "state": "dissolved",
        }
    else:
        found = {"last_seq": seen["left_seq"], "floor_seq": seen["left_floor_seq"]}
    return found | {"backlog_from": found["last_seq"] + 1}
