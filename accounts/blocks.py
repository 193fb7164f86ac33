"""Blocks: who does not want direct messages with whom; groups are not touched by them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Q

from accounts import paging, profiles
from accounts.models import Block
from imsite.core.errors import InvalidRequest, NotFound


def add(user_id: int, other_id: int, *, now: datetime) -> None:
    """Block someone, however often."""
    if user_id == other_id:
        raise InvalidRequest.field("user_id", "you cannot block yourself")
    if not profiles.existing([other_id]):
        raise NotFound
    row = Block(blocker_id=user_id, blocked_id=other_id, created_at=now)
    # Asked for twice at once, the constraint keeps one.
    Block.objects.bulk_create([row], ignore_conflicts=True)


def remove(user_id: int, other_id: int) -> None:
    """Take a block back, however often."""
    deleted, _ = Block.objects.filter(blocker_id=user_id, blocked_id=other_id).delete()
    if not deleted and not profiles.shapes([other_id]):
        raise NotFound


def remove_all(user_id: int) -> None:
    """Take back every block by or of this user."""
    Block.objects.filter(Q(blocker_id=user_id) | Q(blocked_id=user_id)).delete()


def listed(user_id: int, *, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return a page of the Users blocked by this one."""
    rows = Block.objects.filter(blocker_id=user_id).select_related("blocked")
    page, after = paging.page(rows, "blocks", user_id, cursor=cursor, limit=limit)
    return {"items": [profiles.shape(row.blocked) for row in page], "next": after}


def of(user_id: int) -> list[dict[str, Any]]:
    """Return all Users blocked by this one."""
    rows = Block.objects.filter(blocker_id=user_id).select_related("blocked").order_by("pk")
    return [profiles.shape(row.blocked) for row in rows]


def either_way(a: int, b: int) -> bool:
    """Say whether one of the two blocks the other."""
    return bool(pairs([(min(a, b), max(a, b))]))


def pairs(pairs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return those of `pairs` (lower id first) with a block either way; one query."""
    people = {user_id for pair in pairs for user_id in pair}
    rows = Block.objects.filter(blocker_id__in=people, blocked_id__in=people)
    found = {(min(row), max(row)) for row in rows.values_list("blocker_id", "blocked_id")}
    return found & set(pairs)
