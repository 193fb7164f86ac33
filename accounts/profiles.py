"""Profiles: what people see of each other, and how one changes one's own."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts import following, names, paging, wording
from accounts.models import User
from imsite.core import clock, rows, stamps
from imsite.core.errors import InvalidRequest, NotFound

_SHOWN = ("id", "username", "display_name", "avatar_media_id", "bio", "kind", "deleted_at")


def shape(user: User) -> dict[str, Any]:
    """Return the User of the contract."""
    return _shape(*(getattr(user, name) for name in _SHOWN))


def _shape(*row: Any) -> dict[str, Any]:
    user_id, username, display_name, avatar_media_id, bio, kind, deleted_at = row
    return {
        "id": user_id,
        "username": username,
        "display_name": display_name,
        "avatar_url": avatar_url(avatar_media_id),
        "bio": bio,
        "kind": kind,
        "deleted": deleted_at is not None,
    }


def avatar_url(media_id: int | None) -> str | None:
    """Return where a picture is, or None for none."""
    return None if media_id is None else f"/api/v1/media/{media_id}"


def shapes(ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the Users with these ids, deleted ones included, by id; one query."""
    rows = User.objects.filter(pk__in=ids).values_list(*_SHOWN)
    return {row[0]: _shape(*row) for row in rows}


def existing(ids: Collection[int]) -> set[int]:
    """Return those of `ids` that are accounts and not deleted."""
    return set(User.objects.filter(pk__in=ids, deleted_at=None).values_list("pk", flat=True))


def held(ids: Collection[int]) -> set[int]:
    """Return the same as `existing`; none of them changes before the transaction ends.

    Without it, somebody could be let in who is just leaving for good, or be shown under a name that
    changes unnoticed.
    """
    these, params = rows.among("id", sorted(ids))
    sql = f"SELECT id FROM accounts_user WHERE {these} AND deleted_at IS NULL ORDER BY id"
    return {row[0] for row in rows.fetch(sql + stamps.share_sql(), params)}


def one(user_id: int) -> dict[str, Any]:
    """Return the User; NotFound if there never was one."""
    found = shapes([user_id])
    if not found:
        raise NotFound
    return found[user_id]


def some(ids: Collection[int]) -> list[dict[str, Any]]:
    """Return the Users in the order asked for, each once, without those that do not exist."""
    found = shapes(ids)
    return [found[user_id] for user_id in dict.fromkeys(ids) if user_id in found]


def living(user_id: int, *, lock: bool = False) -> User:
    """Return the account if it is not deleted, locked on demand; NotFound otherwise."""
    rows = User.objects.select_for_update(no_key=True) if lock else User.objects.all()
    user = rows.filter(pk=user_id, deleted_at=None).first()
    if user is None:
        raise NotFound
    return user


def named_like(q: str) -> Q:
    """Return the condition that a username or display name begins with `q`, however it is typed."""
    key = names.key(q)
    return Q(username_key__startswith=key) | Q(display_key__startswith=key)


def search(user_id: int, q: str, *, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return a page of those whose username or display name begins with `q`, however it is typed."""
    rows = User.objects.filter(named_like(q), deleted_at=None)
    scope = "users:" + hashlib.sha256(names.key(q).encode()).hexdigest()
    page, after = paging.page(rows, scope, user_id, cursor=cursor, limit=limit)
    return {"items": [shape(user) for user in page], "next": after}


def own(user_id: int) -> dict[str, Any]:
    """Return the User and what only they see of it."""
    return own_shape(living(user_id))


def own_shape(user: User) -> dict[str, Any]:
    """Return a user as they see themselves."""
    return {
        **shape(user),
        "created_at": clock.wire(user.created_at),
        "is_staff": user.is_staff,
    }


def change(user_id: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Set display_name, bio or avatar_media_id, those given; return the own shape as it is then."""
    if changes.get("avatar_media_id") is not None:
        raise InvalidRequest.field("avatar_media_id", "there is no such picture")
    with transaction.atomic():
        user = living(user_id, lock=True)
        changed = {name for name, value in changes.items() if getattr(user, name) != value}
        if changed:
            wording.check(*(changes[name] for name in sorted(changed & {"display_name", "bio"})))
            _write(user, {name: changes[name] for name in changed})
        if changed & {"display_name", "avatar_media_id"}:
            following.profile_changed(user_id)
    return own_shape(user)


def _write(user: User, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(user, name, value)
    user.call(user.display_name)
    user.save(update_fields=[*changes, "display_key"])
