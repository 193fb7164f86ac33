"""Letters: what the site owes to tell people, each sent once as a direct message of the herald."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from django.db import transaction

from accounts import herald, profiles
from accounts.authority import Warrant
from conversations import opening
from imsite.core.errors import AppError
from messages import drafts, log
from messages.models import Letter

_NAMESPACE = UUID("8f6c1d54-2f0b-5d3e-8a35-6b1c7d9e0a42")
_WARN = "messagelog.handle_reports"
_SOME = 50


def owe(owed: Iterable[tuple[int, str, str]], *, now: datetime) -> None:
    """Keep letters (to whom, what it is about, text) to be sent after the commit.

    What it is about names the letter: owed twice it is one.
    """
    letters = [
        Letter(to_id=user_id, client_id=uuid5(_NAMESPACE, about), text=text, owed_at=now)
        for user_id, about, text in owed
    ]
    Letter.objects.bulk_create(letters, ignore_conflicts=True)


def warn(warrant: Warrant, user_id: int, *, about: str, text: str) -> None:
    """Warn somebody now; call it outside of a transaction."""
    owe_warning(warrant, user_id, about=about, text=text)
    deliver(now=warrant.now)


def owe_warning(warrant: Warrant, user_id: int, *, about: str, text: str) -> None:
    """Owe somebody a warning; `deliver` sends it."""
    warrant.require(_WARN)
    drafts.parse(0, 0, {"client_id": str(uuid5(_NAMESPACE, about)), "text": text})
    with transaction.atomic():
        profiles.living(user_id)
        warrant.over(user_id)
        owe([(user_id, about, text)], now=warrant.now)
        warrant.record("user.warn", f"user:{user_id}", after={"text": text, "about": about})


def deliver(*, now: datetime, most: int = _SOME) -> int:
    """Send the oldest letters owed and return how many it was; whoever sends one twice sends it once.

    Call it outside of a transaction: the log pings when it has committed.
    """
    owed = list(Letter.objects.filter(sent_at=None).order_by("id")[:most])
    found = [(letter, *_draft(letter, now=now)) for letter in owed]
    ready = [(letter, draft) for letter, draft, _ in found if draft is not None]
    results = log.append_many([draft for _, draft in ready], now=now) if ready else []
    for letter, _, error in found:
        if error is not None:
            _settle(letter, error, now=now)
    for (letter, _), result in zip(ready, results, strict=True):
        _settle(letter, result if isinstance(result, AppError) else None, now=now)
    return len(owed)


def _draft(letter: Letter, *, now: datetime) -> tuple[drafts.Draft | None, AppError | None]:
    """Return the letter as a draft in the direct conversation with the herald, or why there is none."""
    site = herald.user_id(now=now)
    message = {"client_id": str(letter.client_id), "text": letter.text}
    try:
        conversation_id, _ = opening.direct(site, peer_id=letter.to_id, now=now)
        return drafts.parse(conversation_id, site, message), None
    except AppError as error:
        # Settled like one that was refused, or it would be in the way of all behind it.
        return None, error


def _settle(letter: Letter, error: AppError | None, *, now: datetime) -> None:
    refused = error.code.slug if error else ""
    Letter.objects.filter(pk=letter.pk).update(sent_at=now, refused=refused)


def refusals(abouts: Sequence[str]) -> dict[str, str | None]:
    """Return what became of the letters on these: "" sent, an error name, or None: still owed."""
    names = {uuid5(_NAMESPACE, about): about for about in abouts}
    found = Letter.objects.filter(client_id__in=names).values_list(
        "client_id", "sent_at", "refused"
    )
    return {names[key]: refused if sent_at else None for key, sent_at, refused in found}
