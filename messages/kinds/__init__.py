"""The closed registry of kinds of entry (API §4): what is not in KINDS does not exist."""

from typing import Any

from imsite.core.errors import InvalidRequest
from messages.kinds import notices, people
from messages.kinds.base import GLANCE, MAX_TEXT, Kind, check_emoji, cut

__all__ = [
    "CHANGES",
    "GLANCE",
    "KINDS",
    "MAX_TEXT",
    "Kind",
    "check",
    "check_emoji",
    "check_item",
    "cut",
]

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        people.Text(),
        people.Image(),
        people.Video(),
        people.Voice(),
        people.File(),
        people.Location(),
        people.Link(),
        people.Sticker(),
        people.RedPacket(),
        people.Card(),
        people.Custom(),
        notices.Created(),
        notices.Recall(),
        notices.Edit(),
        notices.Reaction(),
        notices.Pin(),
        notices.MemberJoined(),
        notices.MemberLeft(),
        notices.MemberRemoved(),
        notices.RoleChanged(),
        notices.TitleChanged(),
        notices.Announcement(),
        notices.Dissolved(),
    )
}
CHANGES = frozenset(kind.name for kind in KINDS.values() if kind.changes_only)


def check(kind_name: str, text: str | None, body: dict[str, Any] | None) -> None:
    """Refuse content that people may not send as this kind (InvalidRequest with `data.fields`)."""
    kind = KINDS.get(kind_name)
    if kind is None or not kind.by_people:
        raise InvalidRequest.field("kind", "there is no such kind to send")
    if problems := kind.problems(text, body):
        raise InvalidRequest(data={"fields": problems})


def check_item(item: dict[str, Any]) -> None:
    """Refuse an item whose content its kind does not allow, as after an edit."""
    kind = item["kind"]
    # An item leaves out an empty body, which custom allows.
    empty: dict[str, Any] | None = {} if KINDS[kind].takes_body else None
    check(kind, item.get("text"), item.get("body", empty))
