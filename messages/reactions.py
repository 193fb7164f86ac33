"""Reactions: one row per person and emoji, shown in their item, told by an entry."""

from datetime import datetime
from typing import Any

from django.db.models import Count

from imsite.core.errors import InvalidRequest
from messages import kinds, wire
from messages.corrections import Target, correcting
from messages.models import Reaction


def react(
    user_id: int, conversation_id: int, seq: int, *, emoji: str, add: bool, now: datetime
) -> dict[str, Any]:
    """Add or remove one's emoji; what stands already, or is not there, is no change."""
    kinds.check_emoji(emoji)
    with correcting(user_id, conversation_id, seq, now=now) as target:
        target.require_content()
        target.require_voice()
        place: dict[str, Any] = {"conversation_id": conversation_id, "seq": seq, "emoji": emoji}
        if add:
            _check_room(target, emoji)
            _, changed = Reaction.objects.get_or_create(**place, user_id=user_id)
        else:
            changed = bool(Reaction.objects.filter(**place, user_id=user_id).delete()[0])
        if changed:
            item = wire.with_reactions(target.item, _standing(target))
            op = "add" if add else "remove"
            target.rewrite(item, kind="reaction", emoji=emoji, op=op)
    return target.item


def _check_room(target: Target, emoji: str) -> None:
    shown = target.item.get("reactions", {})
    if emoji not in shown and len(shown) >= wire.MAX_EMOJIS:
        raise InvalidRequest.field("emoji", f"at most {wire.MAX_EMOJIS} emojis an item")


def _standing(target: Target) -> dict[str, list[int] | int]:
    """Return who stands behind each emoji, in the order of coming; of a crowd only the count."""
    found = Reaction.objects.filter(conversation_id=target.head.id, seq=target.seq)
    counts = dict(found.values_list("emoji").annotate(n=Count("id")).order_by())
    order = list(dict.fromkeys(found.order_by("id").values_list("emoji", flat=True)))
    standing: dict[str, list[int] | int] = {
        emoji: [] if counts[emoji] <= wire.NAMED_REACTIONS else counts[emoji] for emoji in order
    }
    few = [emoji for emoji in order if standing[emoji] == []]
    for emoji, user_id in (
        found.filter(emoji__in=few).order_by("id").values_list("emoji", "user_id")
    ):
        people = standing[emoji]
        if isinstance(people, list):
            people.append(user_id)
    return standing
