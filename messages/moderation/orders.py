"""Orders to recall: one act of moderators on one or many entries, in steps, that can be undone.

The order is the row of work: each step locks it, takes the next entries in the order of their packed
ids, and moves it on in the same transaction. So a worker that dies loses nothing and repeats nothing.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.authority import Warrant, untouchable
from imsite.core.errors import Conflict, NotFound
from messages import seals
from messages.models import Entry, RecallOrder, Sealed
from messages.moderation import takeback
from messages.moderation.selection import PREVIEW_MOST, Preview, Selection, find, preview

ONE = "messagelog.recall_entries"
MANY = "messagelog.recall_many"
# Entries a step: their conversations are locked for as long as it takes.
STEP = 200
# Seconds without a step after which an order is taken up by whoever looks.
STALLED = timedelta(seconds=60)


class UndoneAlready(Conflict):
    """This order was undone already."""


class NothingToUndo(Conflict):
    """Nothing of this order can be put back any more."""


class NothingSelected(Conflict):
    """There is nothing to recall in this selection."""


def look(warrant: Warrant, selection: Selection) -> Preview:
    """Return what an order of this actor would recall now."""
    warrant.require(MANY)
    return preview(selection, spared=untouchable(warrant.actor_id, now=warrant.now))


def place(warrant: Warrant, selection: Selection) -> int:
    """Order many entries to be recalled and return the order's id; `step` does the work.

    Entries of staff and of the actor are spared. What was sent after this moment is left alone.
    """
    warrant.require(MANY)
    selection.check()
    selection = replace(selection, until=min(warrant.now, selection.until or warrant.now))
    if selection.sender_id is not None:
        warrant.over(selection.sender_id)
    spared = untouchable(warrant.actor_id, now=warrant.now)
    expected = len(find(selection, spared=spared, after=0, most=PREVIEW_MOST))
    if not expected:
        raise NothingSelected
    with transaction.atomic():
        order = _new(warrant, selection, expected=expected)
        after = {"selection": _json(selection), "expected": expected}
        warrant.record("messages.recall", f"order:{order.pk}", after=after)
    return order.pk


def recall_one(warrant: Warrant, conversation_id: int, seq: int) -> int:
    """Recall one entry now and return the order's id; one that is recalled already stays so."""
    warrant.require(ONE)
    selection = Selection(conversation_id=conversation_id, seq=seq)
    with transaction.atomic():
        order = _new(warrant, selection, expected=1)
        _recall_next(order, now=warrant.now)
        after = {"order_id": order.pk, "recalled": order.recalled}
        warrant.record("messages.recall", f"message:{conversation_id}:{seq}", after=after)
    return order.pk


def _new(warrant: Warrant, selection: Selection, *, expected: int) -> RecallOrder:
    return RecallOrder.objects.create(
        ordered_by_id=warrant.actor_id,
        ordered_at=warrant.now,
        reason=warrant.reason,
        chosen=selection.dump(),
        expected=expected,
        touched_at=warrant.now,
    )


def _json(selection: Selection) -> dict[str, object]:
    return {name: _plain(value) for name, value in selection.told().items()}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def undo(warrant: Warrant, order_id: int) -> None:
    """Have everything put back that the order took; `step` does the work. It stops if it still runs."""
    with transaction.atomic():
        order = _locked(order_id)
        warrant.require(MANY if Selection.load(order.chosen).seq is None else ONE)
        if order.undone_at is not None:
            raise UndoneAlready
        if not seals.held(order_id, most=1, now=warrant.now):
            raise NothingToUndo
        _spare(warrant, order_id)
        order.undone_at, order.undone_by_id = warrant.now, warrant.actor_id
        order.touched_at = warrant.now
        order.save(update_fields=["undone_at", "undone_by", "touched_at"])
        before = {"recalled": order.recalled}
        warrant.record("messages.restore", f"order:{order_id}", before=before)


def _spare(warrant: Warrant, order_id: int) -> None:
    """Refuse if somebody whom the actor may not act on wrote any of it: himself above all."""
    spared = untouchable(warrant.actor_id, now=warrant.now)
    theirs = Entry.objects.filter(
        pk__in=Sealed.objects.filter(order_id=order_id).values("entry_id"), sender_id__in=spared
    )
    for sender_id in theirs.values_list("sender_id", flat=True)[:1]:
        warrant.over(sender_id)


def step(order_id: int, *, now: datetime) -> bool:
    """Do the next part of an order and say whether there is more to do."""
    with transaction.atomic():
        order = _locked(order_id)
        if order.undone_at is not None:
            return order.settled_at is None and _restore_next(order, now=now)
        return order.done_at is None and _recall_next(order, now=now)


def _recall_next(order: RecallOrder, *, now: datetime) -> bool:
    found = find(
        Selection.load(order.chosen),
        spared=untouchable(order.ordered_by_id, now=now),
        after=order.through_id,
        most=STEP,
    )
    until = now + timedelta(days=settings.IM_UNDO_DAYS)
    ids = [entry_id for entry_id, _ in found]
    order.recalled += takeback.take(ids, order_id=order.pk, until=until, now=now)
    order.through_id = ids[-1] if ids else order.through_id
    order.done_at = now if len(ids) < STEP else None
    order.touched_at = now
    order.save(update_fields=["recalled", "through_id", "done_at", "touched_at"])
    return order.done_at is None


def _restore_next(order: RecallOrder, *, now: datetime) -> bool:
    ids = seals.held(order.pk, most=STEP, now=now)
    order.restored += takeback.give_back(ids, now=now)
    order.settled_at = now if len(ids) < STEP else None
    order.touched_at = now
    order.save(update_fields=["restored", "settled_at", "touched_at"])
    return order.settled_at is None


def _locked(order_id: int) -> RecallOrder:
    order = RecallOrder.objects.select_for_update(no_key=True).filter(pk=order_id).first()
    if order is None:
        raise NotFound
    return order


def stalled(*, now: datetime) -> Collection[int]:
    """Return the orders that wait for a step for too long, oldest first."""
    waits = Q(done_at=None, undone_at=None) | Q(undone_at__isnull=False, settled_at=None)
    late = RecallOrder.objects.filter(waits, touched_at__lte=now - STALLED)
    return list(late.order_by("touched_at").values_list("pk", flat=True)[:100])
