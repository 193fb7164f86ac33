"""The only way in: gives drafts the next seqs of their conversations and keeps them, once each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts import blocks
from conversations import heads, pings
from conversations.access import Muted, refuse_frozen
from imsite.core import clock, rows, stamps
from imsite.core.errors import AppError, Code, Forbidden, InvalidRequest, NotFound
from messages import ready, windows, wire
from messages.batch import Batch, client_id_param
from messages.drafts import Draft
from messages.models import SEQ_BITS, Entry
from messages.policy.gate import Gate, Verdict
from messages.ready import Ready

_SEQ = (1 << SEQ_BITS) - 1
_ALL_TOP = 100


class ClientIdConflict(AppError):
    """This client_id was used for another message."""

    code = Code.CLIENT_ID_CONFLICT


class Blocked(AppError):
    """One of you blocks the other."""

    code = Code.BLOCKED


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a draft was kept; `duplicate`: an earlier send of the same did it."""

    seq: int
    ordinal: int
    sent_at: datetime
    duplicate: bool = False

    def shape(self) -> dict[str, Any]:
        """Return the answer to a send."""
        return {
            "seq": self.seq,
            "ordinal": self.ordinal,
            "sent_at": clock.wire(self.sent_at),
            "duplicate": self.duplicate,
        }


@dataclass(slots=True)
class Place:
    """What the sender of a draft is in its conversation."""

    membership_id: int
    role: str
    visible_from: int
    muted_until: datetime | None


Result = Receipt | AppError
Pair = tuple[int, int]
# (conversation, sender, client_id)
Key = tuple[int, int, str]
Known = dict[Key, tuple[Receipt, bytes]]


def append_many(
    drafts: Sequence[Draft],
    *,
    now: datetime,
    times: Sequence[datetime] | None = None,
    verdicts: Sequence[Verdict] | None = None,
    items: Sequence[Ready] | None = None,
) -> list[Result]:
    """Append in one transaction; the answers come in the order of the drafts, after the commit.

    A draft that fails gets its own error and never fails its neighbours. `times`, for imports, are
    the times to be kept as `sent_at`, one a draft, instead of `now`. `verdicts`, one a draft, say
    which content rules it hits; without them there are none, as for what moderators let through.
    `items`, one a draft, are what senders made ready of them; without, that is done here.
    """
    items = items or [ready.sent(draft) for draft in drafts]
    with transaction.atomic():
        turn = _Turn(drafts, verdicts, items, now=now)
        results = [
            turn.take(n, draft, at=times[n] if times else now) for n, draft in enumerate(drafts)
        ]
        turn.write()
    pings.heads_moved(turn.moves())
    return results


class _Turn:
    """One transaction of appends: what was looked up once for all drafts, and what is to be kept."""

    def __init__(
        self,
        drafts: Sequence[Draft],
        verdicts: Sequence[Verdict] | None,
        items: Sequence[Ready],
        *,
        now: datetime,
    ) -> None:
        self.now = now
        self.items = items
        # Locking comes first: everything after it is looked up as it stands under the lock.
        questions = [
            heads.locking({draft.conversation_id for draft in drafts}),
            _placing({(d.conversation_id, d.sender_id) for d in drafts}),
            _knowing(drafts),
        ]
        if asking := stamps.asking():
            questions.append(asking)
        locked, seated, known, *stamped = rows.fetch_each(questions)
        self.stamp: int | None = stamped[0][0][0] if stamped else None
        self.heads, self.seats, self.known = heads.locked(locked), _placed(seated), _known(known)
        directs = {pair for head in self.heads.values() if (pair := head.pair)}
        self.blocked = blocks.pairs(directs) if directs else set()
        self.mentioned = _mentioned(drafts)
        self.gate = Gate(drafts, verdicts)
        self.batch = Batch()
        self.moved: dict[int, heads.Head] = {}
        self.markers: dict[int, tuple[int, int]] = {}

    def take(self, n: int, draft: Draft, *, at: datetime) -> Result:
        """Keep draft number `n`, or say why not."""
        try:
            head, place = self._enter(draft)
            if known := self._kept(draft):
                return known
            self._check(draft, head, place)
            kept, rules = self.gate.admit(n, draft, head, place.role)
        except AppError as error:
            return error
        # What rules masked is not what its sender made ready.
        given = self.items[n] if kept is draft else ready.sent(kept)
        receipt, item = self._append(kept, given, head, place, at)
        self.gate.flag(head.id, item, rules, sent=draft)
        return receipt

    def _enter(self, draft: Draft) -> tuple[heads.Head, Place]:
        head = self.heads.get(draft.conversation_id)
        place = self.seats.get((draft.conversation_id, draft.sender_id))
        if head is None or place is None or head.dissolved_at:
            raise NotFound
        return head, place

    def _kept(self, draft: Draft) -> Receipt | None:
        """Return the first answer if this is a retry: before any rule that may have changed since."""
        found = self.known.get(_key(draft)) or self.gate.standing(draft)
        if found is None:
            return None
        first, digest = found
        if digest != draft.digest:
            raise ClientIdConflict
        if isinstance(first, AppError):
            raise first
        return Receipt(first.seq, first.ordinal, first.sent_at, duplicate=True)

    def _check(self, draft: Draft, head: heads.Head, place: Place) -> None:
        check_may_write(head, place.role, place.muted_until, now=self.now)
        if head.pair in self.blocked:
            raise Blocked
        if draft.reply_to is not None:
            check_reply(draft.reply_to, head, place.visible_from)
        check_mentions(draft.mentions, head, place.role, self.mentioned)

    def _append(
        self, draft: Draft, given: Ready, head: heads.Head, place: Place, at: datetime
    ) -> tuple[Receipt, wire.Item]:
        placed = self.batch.add(head, given, now=at, client_id=draft.client_id, digest=draft.digest)
        receipt = Receipt(placed["seq"], placed["ordinal"], at)
        self.known[_key(draft)] = (receipt, draft.digest)
        self.moved[head.id] = head
        self.markers[place.membership_id] = (receipt.seq, receipt.ordinal)
        return receipt, placed

    def write(self) -> None:
        """Store entries, heads and the senders' markers, and what content rules held and flagged."""
        self.gate.flush(now=self.now)
        if not self.moved:
            return
        stamp = self.stamp or stamps.take()
        with rows.together(ends=True):
            self.batch.flush()
            heads.save(self.moved.values(), stamp=stamp)
            # A sender has read what is below: no marker of a sender can stand above the new head.
            rows.update(
                "conversations_membership",
                {"read_seq": "{v}", "read_ordinal": "{v}"},
                [(*marker, seat) for seat, marker in sorted(self.markers.items())],
            )

    def moves(self) -> list[tuple[int, int, int]]:
        """Return the newest seqs, for the pings."""
        return [(head.id, head.head_seq, head.parted_seq) for head in self.moved.values()]


def check_may_write(
    head: heads.Head, role: str, muted_until: datetime | None, *, now: datetime
) -> None:
    """Refuse a muted member, members of a muted group, and everybody in a frozen one."""
    refuse_frozen(head)
    if muted_until is not None and muted_until > now:
        raise Muted(data={"until": clock.wire(muted_until)})
    if head.mute_all and head.kind == "group" and role == "member":
        raise Muted(data={"until": None})


def check_reply(seq: int, head: heads.Head, visible_from: int) -> None:
    """Refuse a reply to what the sender may not read, or to what has expired."""
    closed = head.closed_for(visible_from)
    try:
        windows.require(seq, closed=closed, floor=head.floor_seq, last=head.head_seq)
    except NotFound:
        raise InvalidRequest.field("reply_to", "is not an item that you may read") from None


def check_mentions(mentions: Any, head: heads.Head, role: str, members: set[Pair]) -> None:
    """Refuse mentions of others than members, and of all by plain members of a large group."""
    if mentions == "all":
        if head.kind == "group" and head.member_count > _ALL_TOP and role == "member":
            raise Forbidden
    elif mentions and any((head.id, user_id) not in members for user_id in mentions):
        raise InvalidRequest.field("mentions", "must be members of this conversation")


def _key(draft: Draft) -> Key:
    return (draft.conversation_id, draft.sender_id, draft.client_id)


def places(pairs: set[Pair]) -> dict[Pair, Place]:
    """Return the active memberships of these (conversation, user)."""
    return _placed(rows.fetch(*_placing(pairs)))


def _placing(pairs: set[Pair]) -> rows.Question:
    listed, params = rows.values(sorted(pairs))
    sql = f"""WITH want(conversation_id, user_id) AS ({listed})
 SELECT m.conversation_id, m.user_id, m.id, m.role, m.visible_from, m.muted_until
 FROM want JOIN conversations_membership m
   ON m.user_id = want.user_id AND m.conversation_id = want.conversation_id
 WHERE m.state = 'active'"""
    return sql, params


def _placed(found: Sequence[tuple[Any, ...]]) -> dict[Pair, Place]:
    return {(r[0], r[1]): Place(r[2], r[3], r[4], rows.time(r[5])) for r in found}


def _knowing(drafts: Sequence[Draft]) -> rows.Question:
    """Ask what stands already under the client_ids of these drafts."""
    listed, params = rows.values(
        [(d.conversation_id, d.sender_id, client_id_param(d.client_id)) for d in drafts]
    )
    same = f"""e.conversation_id = want.conversation_id AND e.sender_id = want.sender_id
  AND e.client_id = want.client_id{rows.cast("uuid")} AND e.client_id IS NOT NULL"""
    sql = f"""WITH want(conversation_id, sender_id, client_id) AS ({listed})
 SELECT e.conversation_id, e.sender_id, e.client_id, e.id, e.ordinal, e.created_at, e.digest
 FROM want {rows.keyed(Entry._meta.db_table, same)}"""
    return sql, params


def _known(found: Sequence[tuple[Any, ...]]) -> Known:
    return {
        (r[0], r[1], str(UUID(str(r[2])))): (
            Receipt(r[3] & _SEQ, r[4], rows.time(r[5]) or clock.now()),
            bytes(r[6]),
        )
        for r in found
    }


def _mentioned(drafts: Sequence[Draft]) -> set[Pair]:
    """Return those (conversation, user) mentioned who are members; no query without mentions."""
    wanted = {
        (draft.conversation_id, user_id)
        for draft in drafts
        if isinstance(draft.mentions, tuple)
        for user_id in draft.mentions
    }
    return members_among(wanted)


def members_among(pairs: set[Pair]) -> set[Pair]:
    """Return those of these (conversation, user) that are active memberships."""
    return set(places(pairs)) if pairs else set()
