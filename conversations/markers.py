"""Read markers and own settings: a marker moves forward only, unless it is told to go back."""

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Min

from accounts import wording
from conversations import access, following, heads, logbook, pings
from conversations.models import Conversation, Membership, Uncounted
from imsite.core import rows, stamps
from imsite.core.errors import NotFound


def move(user_id: int, conversation_id: int, *, seq: int, force: bool, device_id: int = 0) -> None:
    """Move the marker to `seq`, at most to the newest entry; back only with `force`.

    `device_id` is where it was read, for who clears the other devices (0: nobody says).
    """
    seat = access.seat_of(user_id, conversation_id)
    target = min(seq, seat.conversation.head_seq)
    if target > seat.read_seq:
        _forward(seat, target)
        following.read(user_id, conversation_id, device_id)
    elif force and target < seat.read_seq:
        _back(user_id, conversation_id, seq)


def _ordinal(conversation: Any, seq: int) -> int:
    """Return the ordinal at `seq`; `conversation` is a row or a locked head."""
    if seq == conversation.head_seq:
        return int(conversation.head_ordinal)
    if seq <= conversation.floor_seq:
        return int(conversation.floor_ordinal)
    found = logbook.the_log().ordinal_at(conversation.id, seq)
    if found is None:
        # The floor rose over it since the conversation was looked at.
        return int(
            Conversation.objects.values_list("floor_ordinal", flat=True).get(pk=conversation.id)
        )
    return found


def _forward(seat: Membership, seq: int) -> None:
    ordinal = _ordinal(seat.conversation, seq)
    with transaction.atomic():
        if seat.conversation.kind == "direct":
            # The peer's row changes too: two who read at once would wait for each other.
            heads.lock([seat.conversation_id])
        stamp = stamps.take()
        # Conditional, so that of two markers in flight the higher one stays, whoever comes last.
        moved = Membership.objects.filter(pk=seat.pk, state="active", read_seq__lt=seq).update(
            read_seq=seq, read_ordinal=ordinal, version=F("version") + 1, stamp=stamp
        )
        if moved:
            _tell(seat.user_id, seat.conversation, seq, stamp=stamp)


def _back(user_id: int, conversation_id: int, seq: int) -> None:
    """Move back under the head's lock: own entries above must not count, and none may slip in."""
    with transaction.atomic():
        head = heads.lock([conversation_id])[conversation_id]
        seat = Membership.objects.select_for_update(no_key=True).get(
            user_id=user_id, conversation_id=conversation_id
        )
        target = min(seq, head.head_seq)
        if seat.state != "active":
            raise NotFound
        _note_own(user_id, conversation_id, after=max(target, head.floor_seq))
        stamp = stamps.take()
        seat.rewound_seq = max(seat.rewound_seq, seat.read_seq, target)
        seat.read_seq, seat.read_ordinal = target, _ordinal(head, target)
        seat.version, seat.stamp = seat.version + 1, stamp
        seat.save(update_fields=["rewound_seq", "read_seq", "read_ordinal", "version", "stamp"])
        _tell(user_id, Conversation.objects.get(pk=conversation_id), target, stamp=stamp)


def _note_own(user_id: int, conversation_id: int, *, after: int) -> None:
    """Keep own entries above `after` from counting.

    The rows kept before hold all own entries from the lowest to the highest of them, and stay true
    for ever: only what is missing on both sides is added, however often a marker goes back.
    """
    kept = Uncounted.objects.filter(conversation_id=conversation_id, user_id=user_id)
    span = kept.aggregate(low=Min("seq"), high=Max("seq"))
    own_seqs = partial(logbook.the_log().own_seqs, conversation_id, user_id)
    if span["high"] is None:
        own = own_seqs(after=after)
    else:
        own = own_seqs(after=span["high"])
        if after < span["low"]:
            own += own_seqs(after=after, to=span["low"] - 1)
    columns = ["conversation_id", "user_id", "seq"]
    found = [(conversation_id, user_id, each) for each in own]
    rows.insert(Uncounted._meta.db_table, columns, found)


def _tell(user_id: int, conversation: Conversation, seq: int, *, stamp: int) -> None:
    """Let the own devices know and, in a direct conversation, the peer, whose head shows it."""
    conversation_id = conversation.pk
    if conversation.kind == "direct":
        Membership.objects.filter(conversation_id=conversation_id).exclude(user_id=user_id).update(
            version=F("version") + 1, stamp=stamp
        )
        transaction.on_commit(lambda: pings.read(conversation_id, user_id, seq))
    transaction.on_commit(lambda: pings.user_changed(user_id))


def settle(user_id: int, conversation_id: int, *, changes: dict[str, Any]) -> None:
    """Change one's own view of a conversation: notify, pinned, hidden, nickname."""
    seat = access.seat_of(user_id, conversation_id)
    real = {name: new for name, new in changes.items() if getattr(seat, name) != new}
    if not real:
        return
    kind = seat.conversation.kind
    place = wording.Place(conversation_id=conversation_id, kind=kind, role=seat.role)
    wording.check(real.get("nickname"), place=place)
    with transaction.atomic():
        Membership.objects.filter(pk=seat.pk, state="active").update(
            **real, version=F("version") + 1, stamp=stamps.take()
        )
        transaction.on_commit(lambda: pings.user_changed(user_id))


def typing(user_id: int, conversation_id: int) -> None:
    """Tell the others that this member is typing; pings thin it out to one in three seconds."""
    seat = access.seat_of(user_id, conversation_id)
    pings.typing(conversation_id, user_id, parted_seq=seat.conversation.parted_seq)
