"""The paged lists: a person's conversations, a group's members, requests and readers."""

from functools import cache
from typing import Any

from django.db.models import Q

from accounts import names, profiles
from conversations import access, headview
from conversations.models import JoinRequest, Membership
from imsite.core import clock, cursor, rows
from imsite.core.errors import Forbidden

_READS_TOP = 500


@cache
def _list_sql(vendor: str, after: bool) -> str:
    keys = "m.pinned, c.last_at, c.id"
    beyond = f"AND ({keys}) < (%s, %s, %s)" if after else ""
    return f"""SELECT {keys} FROM conversations_membership m
 JOIN conversations_conversation c ON c.id = m.conversation_id
 WHERE m.user_id = %s AND {headview.ACTIVE} {beyond} ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT %s"""


def conversations(user_id: int, *, cursor_text: str | None, limit: int) -> dict[str, Any]:
    """Return a page of the active heads: pinned first, then the newest activity first."""
    after = cursor.unseal("conversations", user_id, cursor_text) if cursor_text is not None else []
    sql = _list_sql(rows.vendor(), bool(after))
    found = rows.fetch(sql, [user_id, *after, limit + 1])
    more = found[limit - 1] if len(found) > limit else None
    position = more and [more[0], str(more[1]), more[2]]
    ids = [row[-1] for row in found[:limit]]
    heads = headview.many(user_id, ids)
    return {
        # One that ended since they were picked is not active any more.
        "items": [heads[each] for each in ids if heads[each]["state"] == "active"],
        "next": position and cursor.seal("conversations", user_id, position),
    }


def members(
    user_id: int, conversation_id: int, *, q: str | None, cursor_text: str | None, limit: int
) -> dict[str, Any]:
    """Return a page of the members, in the order of joining first."""
    access.seat_of(user_id, conversation_id)
    seats = Membership.objects.filter(conversation_id=conversation_id, state="active")
    if q is not None:
        key = names.key(q)
        seats = seats.filter(
            Q(user__username_key__startswith=key)
            | Q(user__display_key__startswith=key)
            | Q(nickname__istartswith=q)
        )
    scope = f"members:{conversation_id}:{q}"
    page, after = _page(seats, scope, user_id, cursor_text, limit)
    users = profiles.shapes([seat.user_id for seat in page])
    return {"items": [_member(seat, users[seat.user_id]) for seat in page], "next": after}


def _member(seat: Membership, user: dict[str, Any]) -> dict[str, Any]:
    return {
        "user_id": seat.user_id,
        "user": user,
        "role": seat.role,
        "joined_at": clock.wire(seat.joined_at),
        "nickname": seat.nickname,
        "muted_until": clock.wire_or_none(seat.muted_until),
    }


def requests(
    user_id: int, conversation_id: int, *, cursor_text: str | None, limit: int
) -> dict[str, Any]:
    """Return a page of those who ask to be let in."""
    seat = access.seat_of(user_id, conversation_id)
    if seat.conversation.kind != "group" or access.RANKS[seat.role] < access.RANKS["admin"]:
        raise Forbidden
    asked = JoinRequest.objects.filter(conversation_id=conversation_id)
    page, after = _page(asked, f"requests:{conversation_id}", user_id, cursor_text, limit)
    users = profiles.shapes([each.user_id for each in page])
    items = [
        {
            "user_id": each.user_id,
            "user": users[each.user_id],
            "created_at": clock.wire(each.created_at),
        }
        for each in page
    ]
    return {"items": items, "next": after}


def reads(
    user_id: int, conversation_id: int, *, seq: int, cursor_text: str | None, limit: int
) -> dict[str, Any]:
    """Return a page of those who have read up to `seq`, in groups that are not too large for it."""
    seat = access.seat_of(user_id, conversation_id)
    if seat.conversation.member_count > _READS_TOP:
        raise Forbidden(f"Readers are told in groups of at most {_READS_TOP}.")
    seats = Membership.objects.filter(
        conversation_id=conversation_id, state="active", read_seq__gte=seq
    )
    scope = f"reads:{conversation_id}:{seq}"
    page, after = _page(seats, scope, user_id, cursor_text, limit)
    items = [{"user_id": each.user_id, "read_seq": each.read_seq} for each in page]
    return {"items": items, "next": after}


def _page(
    found: Any, scope: str, user_id: int, cursor_text: str | None, limit: int
) -> tuple[list[Any], str | None]:
    """Return up to `limit` rows in the order of their ids, and the cursor that goes on."""
    if cursor_text is not None:
        [after] = cursor.unseal(scope, user_id, cursor_text)
        found = found.filter(pk__gt=after)
    page = list(found.order_by("pk")[: limit + 1])
    more = len(page) > limit
    return page[:limit], cursor.seal(scope, user_id, [page[limit - 1].pk]) if more else None
