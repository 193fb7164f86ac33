"""What acts of staff share: the warrant of who is there, for how long, and those that need a reason only."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest

from accounts.authority import Warrant
from imsite.core import clock, limits

HOUR, DAY = 3_600, 86_400
DURATIONS = (
    (str(HOUR), "1 hour"),
    (str(DAY), "1 day"),
    (str(7 * DAY), "7 days"),
    (str(30 * DAY), "30 days"),
)
Do = Callable[[HttpRequest, Any, Mapping[str, Any]], str]


def warrant(request: HttpRequest, reason: str) -> Warrant:
    """Return what an act of whoever is at the admin rests on."""
    return Warrant(
        actor_id=int(request.user.pk or 0),
        reason=reason,
        address=limits.address(request.META),
        now=clock.now(),
    )


def plainly(act: Callable[[Warrant, int], object], said: str) -> Do:
    """Return what does an act that needs the id of its row and a reason; `said` tells that it is done."""

    def do(request: HttpRequest, row: Any, given: Mapping[str, Any]) -> str:
        act(warrant(request, given["reason"]), row.pk)
        return said

    return do
