"""Reports to the moderators: keeps what an entry said when somebody found it wrong."""

from datetime import datetime
from typing import Any

from django.db import transaction

from imsite.core.errors import Conflict, InvalidRequest
from messages import windows, wire
from messages.kinds import KINDS
from messages.models import Entry, Report, packed
from messages.moderation import cases


class NothingLeft(Conflict):
    """This message was recalled: there is nothing left to report."""


def report(
    caller_id: int,
    *,
    conversation_id: int,
    seq: int,
    reason: str,
    note: str | None,
    now: datetime,
) -> int:
    """Keep a report of a readable entry and return its id; the same person's second is the first."""
    windows.readable(caller_id, conversation_id).require(seq)
    place = {"conversation_id": conversation_id, "seq": seq, "reporter_id": caller_id}
    if standing := Report.objects.filter(**place).first():
        return standing.pk
    said: dict[str, Any] = {"reason": reason, "note": note or "", "created_at": now}
    said["excerpt"] = excerpt = _excerpt(conversation_id, seq)
    with transaction.atomic():
        case = cases.joined(conversation_id, seq, excerpt=excerpt, now=now)
        # Two at once meet at the case, and the later one finds the earlier.
        kept, made = Report.objects.get_or_create(**place, defaults=said | {"case": case})
        if not made and kept.case_id != case.pk:
            # Reported and closed meanwhile: there is nothing new to look at.
            cases.leave(case)
    return kept.pk


def _excerpt(conversation_id: int, seq: int) -> str:
    """Return the item as it stands, if it is one that can be reported."""
    key = packed(conversation_id, seq)
    text = Entry.objects.filter(pk=key).values_list("wire", flat=True).first()
    if text is None:
        # Purged since the window was looked up.
        raise windows.Expired
    item = wire.decode(text)
    if not KINDS[item["kind"]].by_people:
        raise InvalidRequest.field("seq", "is not a message of a person")
    if "recalled_at" in item:
        raise NothingLeft
    return text
