"""What a moderator sees: the queue of open cases, and all about one of them. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts import authority
from imsite.core import rows
from imsite.core.errors import NotFound
from messages import seals, wire
from messages.kinds import CHANGES
from messages.models import Case, Report, packed
from messages.moderation.cases import HANDLE

CONTEXT = 10
_REPORTS = 50
_EARLIER = 20
_SHOWN = f"kind NOT IN ({', '.join(repr(name) for name in sorted(CHANGES))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some cases, and the id to go on after; None: there are no more."""

    cases: Sequence[Case]
    next: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """All about a case; items are as members get them, so a recalled one is its stub."""

    case: Case
    reports: Sequence[Report]
    excerpt: dict[str, Any]
    # The item as it was sent, if a rule masked what it flagged; gone when the case is closed.
    original: dict[str, Any] | None
    # The entry as it stands now; None: purged.
    current: dict[str, Any] | None
    before: Sequence[dict[str, Any]]
    after: Sequence[dict[str, Any]]
    # Other cases against the same person, newest first.
    earlier: Sequence[Case]


def queue(actor_id: int, *, after: int = 0, limit: int = 50, now: datetime) -> Page:
    """Return open cases, oldest first; each has `report_count`."""
    authority.require(actor_id, HANDLE, now=now)
    found = Case.objects.filter(closed_at=None, pk__gt=after)
    counted = _counted(found.select_related("accused", "claimed_by"))
    cases = list(counted.order_by("pk")[: limit + 1])
    return Page(cases=cases[:limit], next=cases[limit - 1].pk if len(cases) > limit else None)


def closed(actor_id: int, *, before: int | None = None, limit: int = 50, now: datetime) -> Page:
    """Return closed cases, the latest opened first; each has `report_count`."""
    authority.require(actor_id, HANDLE, now=now)
    found = Case.objects.filter(closed_at__isnull=False)
    found = found if before is None else found.filter(pk__lt=before)
    counted = _counted(found.select_related("accused", "closed_by"))
    cases = list(counted.order_by("-pk")[: limit + 1])
    return Page(cases=cases[:limit], next=cases[limit - 1].pk if len(cases) > limit else None)


def _counted(found: QuerySet[Case]) -> QuerySet[Case]:
    """Add how many reports each case has: counted for those of a page, not grouped from all."""
    reports = Report.objects.filter(case=OuterRef("pk")).order_by().values("case")
    count = Subquery(reports.annotate(count=Count("pk")).values("count"))
    return found.annotate(report_count=Coalesce(count, 0))


def backlog() -> tuple[int, datetime | None]:
    """Return how many cases are open, counted up to 101, and since when the oldest is."""
    opened = Case.objects.filter(closed_at=None).order_by("pk").values_list("opened_at", flat=True)
    found = list(opened[:101])
    return len(found), found[0] if found else None


def against(user_id: int) -> Sequence[Case]:
    """Return the newest cases against somebody."""
    return list(Case.objects.filter(accused_id=user_id).order_by("-pk")[:_EARLIER])


def one(actor_id: int, case_id: int, *, now: datetime) -> Dossier:
    """Return all about a case, open or closed."""
    authority.require(actor_id, HANDLE, now=now)
    people = ("accused", "claimed_by", "closed_by")
    case = Case.objects.select_related(*people).filter(pk=case_id).first()
    if case is None:
        raise NotFound
    related = Report.objects.filter(case=case).select_related("reporter").order_by("pk")
    reports = list(related[:_REPORTS])
    earlier = Case.objects.filter(accused_id=case.accused_id).exclude(pk=case.pk)
    key = packed(case.conversation_id, case.seq)
    here = _read("id = %s", [key], "id", 1)
    low, high = packed(case.conversation_id, 0), packed(case.conversation_id + 1, 0)
    return Dossier(
        case=case,
        reports=reports,
        excerpt=wire.decode(case.excerpt),
        original=_original(key, reports),
        current=here[0] if here else None,
        before=_read(f"id > %s AND id < %s AND {_SHOWN}", [low, key], "id DESC", CONTEXT)[::-1],
        after=_read(f"id > %s AND id < %s AND {_SHOWN}", [key, high], "id", CONTEXT),
        earlier=list(earlier.select_related("closed_by").order_by("-pk")[:_EARLIER]),
    )


def _original(key: int, reports: Sequence[Report]) -> dict[str, Any] | None:
    for report in reports:
        if report.original is not None and (raw := seals.opened(key, bytes(report.original))):
            return wire.decode(raw.decode())
    return None


def _read(where: str, params: list[int], order: str, most: int) -> list[dict[str, Any]]:
    sql = f"SELECT wire FROM messagelog_entry WHERE {where} ORDER BY {order} LIMIT %s"
    return [wire.decode(row[0]) for row in rows.fetch(sql, [*params, most])]
