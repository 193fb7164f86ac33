"""Recall, edit and pin: each rewrites its target and is an entry itself, so that followers hear of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts import blocks
from conversations import heads, pings
from conversations.access import refuse_frozen
from conversations.logbook import Notice
from conversations.models import Mention, Uncounted
from imsite.core import clock, rows, stamps
from imsite.core.errors import AppError, Code, Conflict, Forbidden, InvalidRequest, NotFound
from messages import flags, kinds, log, seals, search, windows, wire
from messages.batch import Batch, insert_mentions, mention_rows, preview
from messages.drafts import Edit
from messages.ledger import append_event
from messages.models import Reaction, packed
from messages.policy import gate, standing

RECALL_WINDOW = timedelta(minutes=2)
EDIT_WINDOW = timedelta(hours=24)
_ENTRY = "messagelog_entry"
_UNCOUNTED = Uncounted._meta.db_table


class TooLate(AppError):
    """This can no longer be changed."""

    code = Code.TOO_LATE


class Recalled(Conflict):
    """This message was recalled."""


@dataclass(slots=True)
class Target:
    """An entry about to be corrected, its conversation's head locked."""

    head: heads.Head
    place: log.Place
    user_id: int
    item: dict[str, Any]
    sent_at: datetime
    now: datetime
    notices: list[Notice] = field(default_factory=list)

    @property
    def key(self) -> int:
        """The packed id of the entry."""
        return packed(self.head.id, self.item["seq"])

    @property
    def seq(self) -> int:
        """The position of the entry."""
        return int(self.item["seq"])

    @property
    def is_own(self) -> bool:
        """Say whether the caller sent it."""
        return bool(self.item["sender_id"] == self.user_id)

    @property
    def runs_group(self) -> bool:
        """Say whether the caller is owner or admin of the group."""
        return self.head.kind == "group" and self.place.role != "member"

    def require_content(self) -> None:
        """Refuse what has no content left to be changed."""
        if "recalled_at" in self.item:
            raise Recalled

    def require_voice(self) -> None:
        """Refuse whoever could not send here either."""
        log.check_may_write(self.head, self.place.role, self.place.muted_until, now=self.now)
        if self.head.pair and blocks.either_way(*self.head.pair):
            raise log.Blocked

    def rewrite(self, item: dict[str, Any], *, kind: str, **body: Any) -> None:
        """Replace the item and note the entry that says so."""
        [self.item] = store(self.head, [item])
        body = {"target": self.seq, **body}
        self.notices.append(Notice(kind=kind, sender_id=self.user_id, body=body))


@contextmanager
def correcting(user_id: int, conversation_id: int, seq: int, *, now: datetime) -> Iterator[Target]:
    """Lock, load the target and yield it; append what was noted at the end, and ping."""
    with transaction.atomic():
        target = _load(user_id, conversation_id, seq, now=now)
        yield target
        if not target.notices:
            return
        batch = Batch()
        for notice in target.notices:
            append_event(batch, target.head, notice, now=now)
        batch.flush()
        heads.save([target.head], stamp=stamps.take())
    pings.heads_moved([(target.head.id, target.head.head_seq, target.head.parted_seq)])


def _load(user_id: int, conversation_id: int, seq: int, *, now: datetime) -> Target:
    head = heads.lock([conversation_id]).get(conversation_id)
    place = log.places({(conversation_id, user_id)}).get((conversation_id, user_id))
    if head is None or head.dissolved_at or place is None:
        raise NotFound
    closed = head.closed_for(place.visible_from)
    windows.require(seq, closed=closed, floor=head.floor_seq, last=head.head_seq)
    [(text, created_at)] = rows.fetch(
        f"SELECT wire, created_at FROM {_ENTRY} WHERE id = %s",
        [packed(conversation_id, seq)],
    )
    item = wire.decode(text)
    if item.get("event"):
        raise InvalidRequest("An event cannot be changed.")
    sent_at = rows.time(created_at) or now
    return Target(head, place, user_id, item, sent_at, now)


def recall(user_id: int, conversation_id: int, seq: int, *, now: datetime) -> dict[str, Any]:
    """Take a message back: own ones for two minutes, any as owner or admin. Twice is once."""
    with correcting(user_id, conversation_id, seq, now=now) as target:
        if not target.is_own and not target.runs_group:
            raise Forbidden
        if "recalled_at" in target.item:
            # Moderators may have been first, who can put back what they took; its sender wants it gone.
            seals.drop([target.key])
            return target.item
        if not target.runs_group and now - target.sent_at > RECALL_WINDOW:
            raise TooLate
        stub = wire.recalled(target.item, at=clock.wire(now), by=user_id)
        target.rewrite(stub, kind="recall")
        forget(target.head, [target.item], now=now)
    return target.item


def store(head: heads.Head, items: Sequence[wire.Item]) -> list[wire.Item]:
    """Replace these items of a locked head and return them as they are read back."""
    encoded = [wire.encode(item) for item in items]
    stored = [wire.decode(text) for text in encoded]
    keys = [packed(head.id, item["seq"]) for item in stored]
    rows.update(_ENTRY, {"wire": "{v}"}, list(zip(encoded, keys, strict=True)))
    for item in stored:
        if head.preview_seq == item["seq"]:
            head.preview = preview(item)
    return stored


def forget(head: heads.Head, items: Sequence[wire.Item], *, now: datetime) -> None:
    """Remove what was derived from the contents of recalled items, and what these counted for."""
    seqs = [item["seq"] for item in items]
    keys = [packed(head.id, seq) for seq in seqs]
    rows.update(_ENTRY, {"recalled_at": "{v}"}, [(rows.moment(now), key) for key in keys])
    Mention.objects.filter(conversation_id=head.id, seq__in=seqs).delete()
    Reaction.objects.filter(conversation_id=head.id, seq__in=seqs).delete()
    search.forget(keys)
    counted = [item["seq"] for item in items if kinds.KINDS[item["kind"]].counts]
    rows.insert(
        _UNCOUNTED, ("conversation_id", "user_id", "seq"), [(head.id, 0, n) for n in counted]
    )
    head.uncounted_seq = max([head.uncounted_seq, *counted])


def remember(head: heads.Head, items: Sequence[wire.Item]) -> None:
    """Derive again what `forget` removed, but for reactions, from items that have their content back."""
    seqs = [item["seq"] for item in items]
    keys = [packed(head.id, seq) for seq in seqs]
    rows.update(_ENTRY, {"recalled_at": "{v}"}, [(None, key) for key in keys])
    insert_mentions([row for item in items for row in mention_rows(head.id, item)])
    terms = [(key, search.terms(item)) for key, item in zip(keys, items, strict=True)]
    search.index([(key, found) for key, found in terms if found])
    Uncounted.objects.filter(conversation_id=head.id, user_id=0, seq__in=seqs).delete()


def edit(
    user_id: int, conversation_id: int, seq: int, *, edit: Edit, now: datetime
) -> dict[str, Any]:
    """Change an own message for a day; what is not given stays. Content rules judge the whole."""
    ruleset = standing.refresh()
    with correcting(user_id, conversation_id, seq, now=now) as target:
        if not target.is_own:
            raise Forbidden
        target.require_content()
        if now - target.sent_at > EDIT_WINDOW:
            raise TooLate
        target.require_voice()
        item = wire.edited(target.item, edit, at=clock.wire(now))
        kinds.check_item(item)
        said = (item.get("text"), item.get("body"))
        item, rules = gate.revise(item, target.head, target.place.role, ruleset=ruleset)
        if edit.mentions is not None:
            _mention(target, item)
        target.rewrite(item, kind="edit")
        search.forget([target.key])
        if terms := search.terms(item):
            search.index([(target.key, terms)])
        if rules:
            flags.file([gate.flag_of(conversation_id, target.item, rules, said=said)], now=now)
    return target.item


def _mention(target: Target, item: dict[str, Any]) -> None:
    """Replace who is mentioned."""
    head, told = target.head, item["mentions"]
    pairs = set() if told == "all" else {(head.id, user_id) for user_id in told}
    log.check_mentions(told, head, target.place.role, log.members_among(pairs))
    Mention.objects.filter(conversation_id=head.id, seq=target.seq).delete()
    insert_mentions(mention_rows(head.id, item))


def pin(
    user_id: int, conversation_id: int, seq: int, *, pinned: bool, now: datetime
) -> dict[str, Any]:
    """Pin or unpin: owner and admins in a group, both in a direct conversation."""
    with correcting(user_id, conversation_id, seq, now=now) as target:
        if target.head.kind == "group" and not target.runs_group:
            raise Forbidden
        target.require_content()
        refuse_frozen(target.head)
        if bool(target.item.get("pinned")) != pinned:
            op = "add" if pinned else "remove"
            target.rewrite(wire.with_pin(target.item, pinned), kind="pin", op=op)
    return target.item
