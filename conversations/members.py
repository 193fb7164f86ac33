"""Coming and going: invite, join, ask, leave, remove; and who is in."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts import profiles
from conversations import pings
from conversations.access import Act, acting, notify_in, refuse_frozen
from conversations.models import Conversation, JoinRequest, Membership
from imsite.core import rows, stamps
from imsite.core.chores import Chore, Done, Due
from imsite.core.errors import Conflict, NotFound
from imsite.core.pace import Pace


class AlreadyMember(Conflict):
    """Somebody named here is a member already."""


class LastOwner(Conflict):
    """Hand the group over or dissolve it: its owner cannot leave the others alone."""


def add(user_id: int, conversation_id: int, *, user_ids: list[int], now: datetime) -> None:
    """Let these people in, all or none; a request of theirs is answered by it."""
    with acting(user_id, conversation_id, now=now) as act:
        act.require("member" if act.head.join == "open" else "admin")
        wanted = list(dict.fromkeys(user_ids))
        if len(profiles.existing(wanted)) != len(wanted):
            raise NotFound
        admit(act, wanted)


def admit(act: Act, user_ids: list[int]) -> None:
    """Make them members from the next entry on."""
    head = act.head
    refuse_frozen(head)
    kept = {
        seat.user_id: seat
        for seat in Membership.objects.filter(conversation_id=head.id, user_id__in=user_ids)
    }
    if any(seat.state == "active" for seat in kept.values()):
        raise AlreadyMember
    if len(profiles.held(user_ids)) != len(user_ids):
        raise NotFound
    fresh = []
    notify = notify_in(head.member_count + len(user_ids))
    for seq, user_id in enumerate(user_ids, head.head_seq + 1):
        seat = kept.get(user_id) or Membership(conversation_id=head.id, user_id=user_id, version=0)
        _open_window(seat, act, seq)
        seat.notify = notify
        if seat.pk:
            seat.save()
        else:
            fresh.append(seat)
        act.notice("member_joined", user_id=user_id, by=act.actor_id)
    Membership.objects.bulk_create(fresh)
    JoinRequest.objects.filter(conversation_id=head.id, user_id__in=user_ids).delete()
    head.member_count += len(user_ids)
    transaction.on_commit(lambda: pings.joined(head.id, user_ids))


def _open_window(seat: Membership, act: Act, seq: int) -> None:
    """Begin a membership at `seq`: nothing before it is unread, old settings are gone."""
    seat.state, seat.role, seat.joined_at = "active", "member", act.now
    seat.visible_from, seat.visible_ordinal = seq, act.head.head_ordinal
    seat.read_seq, seat.read_ordinal = seq - 1, act.head.head_ordinal
    seat.rewound_seq = 0
    seat.left_seq = seat.left_floor_seq = seat.muted_until = seat.nickname = None
    seat.pinned, seat.hidden = False, False
    seat.version += 1
    seat.stamp = act.stamp


def end(act: Act, seats: list[Membership], *, state: str, kind: str) -> None:
    """End memberships: the log says so, and from this entry on they read nothing."""
    head = act.head
    for seat in seats:
        act.notice(kind, user_id=seat.user_id, by=act.actor_id)
    act.log_notices()
    head.member_count -= len(seats)
    head.parted_seq = head.head_seq
    for seat in seats:
        # From here on the head's version is this row's alone; it must not go back.
        act.write(
            seat,
            bump=head.version + 2,
            state=state,
            left_seq=head.head_seq,
            left_floor_seq=head.floor_for(seat.visible_from),
        )
    gone = [seat.user_id for seat in seats]
    transaction.on_commit(lambda: pings.parted(head.id, gone))


def remove(user_id: int, conversation_id: int, *, user_ids: list[int], now: datetime) -> None:
    """Put these people out, all or none."""
    with acting(user_id, conversation_id, now=now) as act:
        act.require("admin")
        end(act, act.above(act.seats(user_ids)), state="removed", kind="member_removed")


def leave(user_id: int, conversation_id: int, *, now: datetime) -> None:
    """Leave a group; the last to go closes it."""
    with acting(user_id, conversation_id, now=now) as act:
        act.require("member")
        if act.seat is None:
            raise NotFound
        if act.seat.role == "owner" and act.head.member_count > 1:
            raise LastOwner
        end(act, [act.seat], state="left", kind="member_left")
        if act.head.member_count == 0:
            Conversation.objects.filter(pk=act.head.id).update(dissolved_at=now)


def join(user_id: int, conversation_id: int, *, now: datetime) -> bool:
    """Join an open group (True) or ask to be let into one that approves (False)."""
    with acting(user_id, conversation_id, now=now, outsider=True) as act:
        if act.head.kind != "group" and act.seat is None:
            raise NotFound
        if act.seat is not None:
            raise AlreadyMember
        if act.head.join == "open":
            admit(act, [user_id])
            return True
        if act.head.join == "invite":
            raise NotFound
        JoinRequest.objects.get_or_create(
            conversation_id=act.head.id, user_id=user_id, defaults={"created_at": now}
        )
        return False


def decline(user_id: int, conversation_id: int, *, user_ids: list[int], now: datetime) -> None:
    """Turn requests down, all or none."""
    with acting(user_id, conversation_id, now=now) as act:
        act.require("admin")
        asked = JoinRequest.objects.filter(conversation_id=conversation_id, user_id__in=user_ids)
        if asked.count() != len(set(user_ids)):
            raise NotFound
        asked.delete()


def forget_requests(now: datetime, pace: Pace) -> Done:
    """Delete the requests to be let into groups that were dissolved."""
    done = Done()
    while ids := list(_vain_requests().values_list("pk", flat=True)[: pace.size]):
        if pace.is_over:
            done.left = True
            break
        with pace.turn():
            JoinRequest.objects.filter(pk__in=ids).delete()
        done.count("join requests", len(ids))
    return done


def _vain_requests() -> QuerySet[JoinRequest]:
    return JoinRequest.objects.exclude(conversation__dissolved_at=None).order_by("pk")


def leave_all(user_id: int, *, now: datetime) -> None:
    """End every membership in groups of an account that goes; what it owned passes on."""
    mine = Membership.objects.filter(user_id=user_id, state="active", conversation__kind="group")
    # In the order of the ids, in which everybody locks heads.
    for conversation_id in (
        mine.filter(conversation__dissolved_at=None)
        .order_by("conversation_id")
        .values_list("conversation_id", flat=True)
    ):
        # Somebody else may just have dissolved it.
        with suppress(NotFound):
            _leave_for_good(user_id, conversation_id, now=now)
    JoinRequest.objects.filter(user_id=user_id).delete()


def _leave_for_good(user_id: int, conversation_id: int, *, now: datetime) -> None:
    with acting(user_id, conversation_id, now=now, outsider=True) as act:
        if act.seat is None:
            return
        if act.seat.role == "owner":
            _pass_on(act)
        end(act, [act.seat], state="left", kind="member_left")
        if act.head.member_count == 0:
            Conversation.objects.filter(pk=act.head.id).update(dissolved_at=now)


def _pass_on(act: Act) -> None:
    """Make the oldest of the highest rank the owner."""
    others = Membership.objects.filter(conversation_id=act.head.id, state="active")
    others = others.exclude(user_id=act.actor_id).order_by("id")
    heir = others.filter(role="admin").first() or others.first()
    if heir is not None:
        act.write(heir, role="owner")
        act.notice("role_changed", user_id=heir.user_id, role="owner", by=act.actor_id)


def socket_view(user_id: int) -> list[tuple[int, int, int]]:
    """Return (conversation, newest seq, newest parting) of all that this user is in."""
    return list(
        Membership.objects.filter(
            user_id=user_id, state="active", conversation__dissolved_at=None
        ).values_list("conversation_id", "conversation__head_seq", "conversation__parted_seq")
    )


def still(conversation_id: int, user_ids: Iterable[int]) -> set[int]:
    """Return those of these people who may read the conversation now."""
    return set(
        Membership.objects.filter(
            conversation_id=conversation_id,
            user_id__in=list(user_ids),
            state="active",
            conversation__dissolved_at=None,
        ).values_list("user_id", flat=True)
    )


def heads(conversation_ids: Collection[int]) -> list[tuple[int, int, int]]:
    """Return (conversation, newest seq, newest parting) of these."""
    return list(
        Conversation.objects.filter(pk__in=conversation_ids).values_list(
            "id", "head_seq", "parted_seq"
        )
    )


def peers(user_id: int) -> list[tuple[int, int]]:
    """Return (conversation, other user) of all direct conversations of a user."""
    direct: Any = Membership.objects.filter(user_id=user_id, conversation__kind="direct")
    return [
        (conversation_id, high if low == user_id else low)
        for conversation_id, low, high in direct.values_list(
            "conversation_id", "conversation__low_id", "conversation__high_id"
        )
    ]


def touch(pairs: list[tuple[int, int]], *, stamp: int) -> None:
    """Say that the heads of these (conversation, user) changed by what lies outside them.

    Locked in the order of their ids, as a group of sends does: else two would wait for each other.
    """
    listed, params = rows.values(sorted(pairs))
    rows.execute(
        f"""WITH want(conversation_id, user_id) AS ({listed}), seat AS (
 SELECT m.id FROM want JOIN conversations_membership m
   ON m.user_id = want.user_id AND m.conversation_id = want.conversation_id
 ORDER BY m.id {stamps.lock_sql()})
UPDATE conversations_membership SET version = version + 1, stamp = %s
 WHERE id IN (SELECT id FROM seat)""",
        [*params, stamp],
    )


CHORE = Chore(
    name="requests",
    run=forget_requests,
    survey=lambda now: [
        Due(kind="join requests", number=_vain_requests().count(), rule="of groups that ended")
    ],
)
