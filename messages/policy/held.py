"""Messages that a rule holds: kept apart from the log, each once, until a moderator has decided."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from imsite.core import rows
from imsite.core.errors import AppError, Code
from messages.drafts import Draft
from messages.models import Held
from messages.policy import standing
from messages.policy.ruleset import Rule

Key = tuple[int, int, str]


class Rejected(AppError):
    """This is against the rules of this place."""

    code = Code.REJECTED_BY_POLICY

    def __init__(self, message: str | None = None, *, reason: str | None = None) -> None:
        super().__init__(message, data={"held": False, "id": None, "reason": reason})


class HeldBack(AppError):
    """A moderator looks at this before anybody else can."""

    code = Code.REJECTED_BY_POLICY

    def __init__(self, held_id: int | None = None) -> None:
        super().__init__(data={"held": True, "id": held_id, "reason": None})


def key(draft: Draft) -> Key:
    """Return what makes a send one."""
    return (draft.conversation_id, draft.sender_id, draft.client_id)


def known(drafts: Sequence[Draft]) -> dict[Key, tuple[AppError, bytes]]:
    """Return what was held before under the client_ids of these drafts: the answer, and the digest."""
    found = Held.objects.filter(
        sender_id__in={each.sender_id for each in drafts},
        client_id__in={each.client_id for each in drafts},
    ).defer("message")
    return {
        (each.conversation_id, each.sender_id, str(each.client_id)): (
            _answer(each),
            bytes(each.digest),
        )
        for each in found
    }


def _answer(held: Held) -> AppError:
    if held.state == "refused":
        return Rejected(reason=held.reason)
    return HeldBack(held.pk)


def keep(drafts: Sequence[tuple[Draft, Rule, HeldBack]], *, now: datetime) -> None:
    """Store drafts that rules hold, in the transaction of their group; each answer gets its id."""
    if not drafts:
        return
    made = Held.objects.bulk_create(
        Held(
            conversation_id=draft.conversation_id,
            sender_id=draft.sender_id,
            client_id=draft.client_id,
            digest=draft.digest,
            message=_message(draft),
            rule_id=rule.id,
            rule_name=rule.name,
            held_at=now,
        )
        for draft, rule, _ in drafts
    )
    for (_, _, answer), held in zip(drafts, made, strict=True):
        answer.data = {**(answer.data or {}), "id": held.pk}
    standing.note_holding()


def _message(draft: Draft) -> str:
    said: dict[str, Any] = {
        "kind": draft.kind,
        "text": draft.text,
        "body": draft.body,
        "reply_to": draft.reply_to,
        "mentions": draft.mentions,
    }
    return orjson.dumps(said).decode()


def draft_of(held: Held) -> Draft:
    """Return what was held, as it was sent."""
    said = orjson.loads(held.message)
    if isinstance(said["mentions"], list):
        said["mentions"] = tuple(said["mentions"])
    return Draft(
        conversation_id=held.conversation_id,
        sender_id=held.sender_id,
        client_id=str(held.client_id),
        digest=bytes(held.digest),
        **said,
    )


def forget(sender_id: int) -> None:
    """Drop what waits of somebody who goes."""
    rows.execute(f"DELETE FROM {Held._meta.db_table} WHERE sender_id = %s", [sender_id])
