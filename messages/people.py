"""What the log keeps of a person (a follower of accounts)."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import orjson
from django.db.models import BigIntegerField, F, OuterRef, Subquery, Value
from django.db.models.lookups import GreaterThan

from conversations.models import Conversation, Membership
from imsite.core import clock
from messages.models import SEQ_BITS, Entry, Reaction, Report
from messages.policy import held


def exported(user_id: int) -> dict[str, Any]:
    """Return what the person said, reacted and reported, in conversations of now and of before."""
    places = list(
        Membership.objects.filter(user_id=user_id).values_list("conversation_id", flat=True)
    )
    return {
        "messages": _messages(user_id, places),
        "reactions": _reactions(user_id, places),
        "reports": _reports(user_id),
    }


def _messages(user_id: int, places: Collection[int]) -> list[orjson.Fragment]:
    """Return the items, each with its conversation; a recalled one is the stub that is left of it."""
    sent = Entry.objects.filter(
        conversation_id__in=places, sender_id=user_id, client_id__isnull=False
    )
    # Typed, or Django would send it as an integer of 32 bits.
    base = F("conversation_id") * Value(1 << SEQ_BITS, output_field=BigIntegerField())
    seq = F("pk") - base
    sent = sent.filter(GreaterThan(seq, _floor_seq())).order_by("pk")
    found = sent.values_list("conversation_id", "wire")
    return [orjson.Fragment(f'{{"conversation_id":{cid},{wire[1:]}') for cid, wire in found]


def _floor_seq() -> Subquery:
    """Return SQL for the floor of a row's conversation: what has expired is nobody's any more."""
    here = Conversation.objects.filter(pk=OuterRef("conversation_id"))
    return Subquery(here.values("floor_seq"))


def _reactions(user_id: int, places: Collection[int]) -> list[dict[str, Any]]:
    found = Reaction.objects.filter(
        conversation_id__in=places, user_id=user_id, seq__gt=_floor_seq()
    )
    given = found.order_by("pk").values("conversation_id", "seq", "emoji")
    return [dict(each) for each in given]


def _reports(user_id: int) -> list[dict[str, Any]]:
    # Not the excerpt: it is somebody else's, and may be recalled by now.
    found = Report.objects.filter(reporter_id=user_id).order_by("pk")
    return [
        {
            "id": each.pk,
            "conversation_id": each.conversation_id,
            "seq": each.seq,
            "reason": each.reason,
            "note": each.note,
            "created_at": clock.wire(each.created_at),
        }
        for each in found.defer("excerpt", "original")
    ]


def profile_changed(user_id: int) -> None:
    """Keep the log as it is: items name their sender by id."""


def closing(user_id: int, *, now: datetime) -> None:
    """Keep the log as it is: what was said belongs to the conversation. What is held was not said."""
    held.forget(user_id)


def devices_ended(user_id: int, device_ids: Collection[int]) -> None:
    """Keep the log as it is."""
