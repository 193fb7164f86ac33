"""Asks what moved among a user's heads, in shapes for which PostgreSQL has one good plan at every size.

Left to the planner, memberships joined with conversations become a read of all conversations there are
or a look-up for each, as its statistics of the moment say. So the user's conversations are named in one
array: their rows come in one walk through the key, and of most of them only the stamp is looked at.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from conversations import headview
from imsite.core import rows, stamps

_TOTALLED = f"{headview.ACTIVE} AND m.notify <> 'none' AND NOT m.hidden"
# The site's row by its key: of a table that nobody ever analyses PostgreSQL expects hundreds.
_SITE = "FROM conversations_site s LEFT JOIN"
_ALONE = "p ON 1 = 1 WHERE s.id = 1"

Place = Sequence[Any]


def first(user_id: int, at: Place, limit: int) -> rows.Question:
    """Return what asks for a user's active heads, the newest activity first, behind `at` if it is given.

    Rows are epoch, horizon and ceiling of the site, then id, a version (of no use here) and time of
    each head, all from one snapshot; where none is left, one row whose last three are null.
    """
    return _first_sql(rows.vendor(), bool(at)), [user_id, *at, limit]


@cache
def _first_sql(vendor: str, after: bool) -> str:
    theirs = "SELECT conversation_id FROM conversations_membership WHERE user_id = %s AND state = 'active'"
    behind = "AND (c.last_at, c.id) < (%s, %s)" if after else ""
    # A time goes into the cursor as a text, to the microsecond; psycopg takes 6 µs to make a datetime.
    return rows.by_key(f"""SELECT {_facts()}, p.id, p.version, p.at{rows.cast("text")} {_SITE}
 (SELECT c.id, c.version, c.last_at AS at FROM conversations_conversation c
  WHERE {rows.found_by("c.id", theirs)} AND c.dissolved_at IS NULL {behind}
  ORDER BY 3 DESC, 1 DESC LIMIT %s) {_ALONE} ORDER BY p.at DESC, p.id DESC""")


def since(user_id: int, stamp: int, at: Place, limit: int) -> rows.Question:
    """Return what asks for the heads whose stamp is not below `stamp`, in its order, behind `at` if given.

    Rows are as of `first`, with the head's version and its stamp.
    """
    if at:
        # What stands behind it has no lower stamp, and need not be looked at again on each page.
        stamp = at[0]
    if stamps.is_sqlite():
        return _joined_sql(bool(at)), [user_id, stamp, *at, limit]
    return _since_sql(bool(at)), [stamp, user_id, stamp, user_id, user_id, *at, limit]


@cache
def _joined_sql(after: bool) -> str:
    behind = f"AND ({headview.STAMP}, c.id) > (%s, %s)" if after else ""
    return f"""SELECT {_facts()}, p.id, p.version, p.at {_SITE}
 (SELECT c.id, {headview.VERSION} AS version, {headview.STAMP} AS at
  FROM conversations_membership m JOIN conversations_conversation c ON c.id = m.conversation_id
  WHERE m.user_id = %s AND {headview.STAMP} >= %s {behind}
  ORDER BY 3, 1 LIMIT %s) {_ALONE} ORDER BY p.at, p.id"""


@cache
def _since_sql(after: bool) -> str:
    """Return SQL for those whose conversation changed and those whose membership did; both is one row."""
    behind = "WHERE (at, id) > (%s, %s)" if after else ""
    head = f"SELECT c.id, {headview.VERSION} AS version, {headview.STAMP} AS at"
    member = """JOIN LATERAL (SELECT m.state, m.version, m.stamp FROM conversations_membership m
    WHERE m.user_id = %s AND m.conversation_id = {id} OFFSET 0) m ON true"""
    return rows.by_key(f"""WITH mine AS MATERIALIZED
 (SELECT array_agg(conversation_id) FILTER (WHERE state = 'active') AS ids,
   array_agg(conversation_id) FILTER (WHERE stamp >= %s) AS own
  FROM conversations_membership WHERE user_id = %s)
 SELECT {_facts()}, p.id, p.version, p.at {_SITE}
 (SELECT id, version, at FROM
  ({head} FROM (SELECT id, version, stamp FROM conversations_conversation
     WHERE id = ANY((SELECT ids FROM mine)::bigint[]) AND stamp >= %s OFFSET 0) c
    {member.format(id="c.id")}
   UNION {head} FROM (SELECT unnest(own) AS id FROM mine) x {member.format(id="x.id")}
    JOIN LATERAL (SELECT c.id, c.version, c.stamp FROM conversations_conversation c
     WHERE c.id = x.id OFFSET 0) c ON true) AS found
  {behind} ORDER BY at, id LIMIT %s) {_ALONE} ORDER BY p.at, p.id""")


def _facts() -> str:
    return f"s.epoch, {stamps.horizon_sql()}, {stamps.ceiling_sql()}"


def total(user_id: int) -> rows.Question:
    """Return what asks for the sum of unread over the active conversations neither muted nor hidden."""
    if stamps.is_sqlite():
        return _total_sql("true"), [user_id]
    theirs = "SELECT conversation_id FROM conversations_membership WHERE user_id = %s"
    return _total_sql(rows.found_by("c.id", theirs)), [user_id, user_id]


@cache
def _total_sql(these: str) -> str:
    return rows.side_by_side(f"""SELECT coalesce(sum({headview.unread()}), 0)
 FROM conversations_membership m JOIN conversations_conversation c ON c.id = m.conversation_id
 WHERE m.user_id = %s AND {these} AND {_TOTALLED}""")


def totals(user_ids: Sequence[int]) -> rows.Question:
    """Return what asks for user and total of each of these users, those without conversations left out."""
    listed, params = rows.values([(user_id,) for user_id in user_ids])
    return (
        f"""WITH want(user_id) AS ({listed}) SELECT m.user_id, sum({headview.unread()})
 FROM want JOIN conversations_membership m ON m.user_id = want.user_id
 JOIN conversations_conversation c ON c.id = m.conversation_id
 WHERE {_TOTALLED} GROUP BY m.user_id""",
        params,
    )
