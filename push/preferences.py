"""How somebody wants to be woken: previews and quiet hours; the only writer of PushSettings."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from accounts import profiles
from push import rousing
from push.models import PushSettings
from push.quiet import Hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What to heed before somebody is woken."""

    preview: bool = True
    quiet: Hours | None = None

    def quiet_until(self, now: datetime) -> datetime | None:
        """Return when the quiet hours that hold at `now` end (UTC), or None if none do."""
        return None if self.quiet is None else self.quiet.until(now)

    def shape(self) -> dict[str, Any]:
        """Return what the API shows of them."""
        quiet = self.quiet and {
            "start": _clock(self.quiet.start),
            "end": _clock(self.quiet.end),
            "tz": self.quiet.tz,
        }
        return {"preview": self.preview, "quiet_hours": quiet}


# Of somebody who never said anything.
DEFAULT: Final = Wishes()


def wishes(user_ids: Collection[int]) -> dict[int, Wishes]:
    """Return the wishes of each of these users; one query."""
    found = {row.user_id: kept(row) for row in PushSettings.objects.filter(pk__in=user_ids)}
    return {user_id: found.get(user_id, DEFAULT) for user_id in user_ids}


def of(user_id: int) -> Wishes:
    """Return the wishes of one user."""
    return wishes([user_id])[user_id]


def change(
    user_id: int,
    *,
    preview: bool,
    quiet: Hours | None,
    keep_quiet: bool = False,
    now: datetime,
) -> Wishes:
    """Set the wishes of a user and return them; `keep_quiet` leaves the quiet hours as they are.

    What waits for the end of quiet hours is looked at anew.
    """
    wanted: dict[str, Any] = {"preview": preview}
    if not keep_quiet:
        wanted["quiet_start"] = quiet and quiet.start
        wanted["quiet_end"] = quiet and quiet.end
        wanted["quiet_tz"] = quiet.tz if quiet else ""
    with transaction.atomic():
        # An account that is being deleted must not get a row behind its own end.
        profiles.living(user_id, lock=True)
        row, _ = PushSettings.objects.update_or_create(user_id=user_id, defaults=wanted)
        if not keep_quiet:
            rousing.people([user_id], now=now)
    return kept(row)


def forget(user_id: int) -> None:
    """Delete what is kept of a user."""
    PushSettings.objects.filter(pk=user_id).delete()


def kept(row: PushSettings) -> Wishes:
    """Return what a row says."""
    if row.quiet_start is None or row.quiet_end is None:
        return Wishes(preview=row.preview)
    quiet = Hours(start=row.quiet_start, end=row.quiet_end, tz=row.quiet_tz)
    return Wishes(preview=row.preview, quiet=quiet)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
