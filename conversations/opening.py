"""Opening conversations: a direct one once per pair, a group once per client_id of its maker."""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction

from accounts import profiles, wording
from conversations import heads, logbook, pings
from conversations.access import notify_in
from conversations.models import Conversation, Membership
from imsite.core import stamps
from imsite.core.errors import AppError, Code, InvalidRequest, NotFound


class ClientIdConflict(AppError):
    """This client_id was used for something else."""

    code = Code.CLIENT_ID_CONFLICT


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group to be made."""

    title: str
    member_ids: tuple[int, ...] = ()
    client_id: UUID | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def digest(self) -> bytes:
        """Return what a retry under the same client_id must match."""
        content = [self.title, sorted(set(self.member_ids)), self.settings]
        raw = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        return blake2b(raw, digest_size=8).digest()


def direct(user_id: int, *, peer_id: int, now: datetime) -> tuple[int, bool]:
    """Return (id, whether it is new) of the one conversation of these two."""
    if peer_id == user_id:
        raise InvalidRequest.field("user_id", "must be somebody else")
    low, high = sorted((user_id, peer_id))
    key = f"d:{low}:{high}"
    if kept := Conversation.objects.filter(direct_key=key).first():
        return kept.pk, False
    if not profiles.existing([peer_id]):
        raise NotFound
    made = Conversation(kind="direct", direct_key=key, low_id=low, high_id=high)
    return _open(made, [low, high], owner_id=None, now=now)


def group(user_id: int, wanted: Group, *, now: datetime) -> tuple[int, bool]:
    """Return (id, whether it is new) of the group that its maker asked for."""
    key = f"g:{user_id}:{wanted.client_id}" if wanted.client_id else None
    if key and (kept := Conversation.objects.filter(direct_key=key).first()):
        return _same(kept, wanted)
    place = wording.Place(conversation_id=0, kind="group", role="owner")
    wording.check(wanted.title, wanted.settings.get("announcement"), place=place)
    others = [each for each in dict.fromkeys(wanted.member_ids) if each != user_id]
    if len(profiles.existing(others)) != len(others):
        raise NotFound
    made = Conversation(
        kind="group", direct_key=key, title=wanted.title, digest=wanted.digest(), **wanted.settings
    )
    found, new = _open(made, [user_id, *others], owner_id=user_id, now=now)
    return (found, new) if new else _same(Conversation.objects.get(pk=found), wanted)


def _same(kept: Conversation, wanted: Group) -> tuple[int, bool]:
    if kept.digest is None or bytes(kept.digest) != wanted.digest():
        raise ClientIdConflict
    return kept.pk, False


def _open(
    made: Conversation, people: list[int], *, owner_id: int | None, now: datetime
) -> tuple[int, bool]:
    """Store the conversation and its first members; whoever loses a race gets the other's."""
    made.created_at = made.last_at = now
    made.member_count = len(people)
    try:
        with transaction.atomic():
            if len(profiles.held(people)) != len(people):
                raise NotFound
            made.stamp = stamps.take()
            made.save()
            Membership.objects.bulk_create(
                Membership(
                    conversation=made,
                    user_id=user_id,
                    role="owner" if user_id == owner_id else "member",
                    joined_at=now,
                    notify=notify_in(len(people)),
                    stamp=made.stamp,
                )
                for user_id in people
            )
            if owner_id is not None:
                _log_creation(made, owner_id, now=now)
            transaction.on_commit(lambda: pings.joined(made.pk, people))
    except IntegrityError:
        return Conversation.objects.get(direct_key=made.direct_key).pk, False
    return made.pk, True


def _log_creation(made: Conversation, owner_id: int, *, now: datetime) -> None:
    head = heads.lock([made.pk])[made.pk]
    notice = logbook.Notice(kind="created", sender_id=owner_id, body={"title": made.title})
    logbook.the_log().append_notices(head, [notice], now=now)
    heads.save([head], stamp=made.stamp)
