"""Authority of staff: who acts for the site, whether they may, and whom they may not touch."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from accounts import audit, callers, herald
from accounts.models import User
from imsite.core.errors import Forbidden, NotFound


class Untouchable(Forbidden):
    """Nobody acts on himself, and only a superuser on staff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warrant:
    """What an act of staff rests on: who, why, from which address, when."""

    actor_id: int
    reason: str
    address: str
    now: datetime

    def require(self, *permissions: str) -> None:
        """Refuse a reason that says nothing, and whoever lacks one of these permissions."""
        audit.good_reason(self.reason)
        require(self.actor_id, *permissions, now=self.now)

    def over(self, target_id: int) -> None:
        """Refuse acts on oneself, on the herald, and on staff unless the actor is a superuser."""
        if target_id in untouchable(self.actor_id, now=self.now):
            raise Untouchable

    def record(
        self,
        act: str,
        target: str,
        *,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        """Put the act on record, last in its transaction."""
        audit.record(
            actor_id=self.actor_id,
            act=act,
            target=target,
            reason=self.reason,
            before=None if before is None else dict(before),
            after=None if after is None else dict(after),
            address=self.address,
            now=self.now,
        )


def require(actor_id: int, *permissions: str, now: datetime) -> None:
    """Refuse whoever is not staff in good standing with all of these permissions."""
    actor = User.objects.filter(pk=actor_id, is_staff=True, is_active=True).first()
    if actor is None or not actor.has_perms(permissions):
        raise Forbidden
    callers.refuse_banned(actor, now=now)


def untouchable(actor_id: int, *, now: datetime) -> set[int]:
    """Return those whom this actor may not act on."""
    actor = User.objects.filter(pk=actor_id).first()
    if actor is None:
        raise NotFound
    spared = {actor_id, herald.user_id(now=now)}
    if not actor.is_superuser:
        spared |= set(User.objects.filter(is_staff=True).values_list("pk", flat=True))
    return spared
