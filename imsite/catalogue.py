"""Each operation of the API as the OpenAPI description tells it: what it answers, an example, its own errors.

Errors that follow from the kind of route (credentials, limits, bodies …) are added by imsite.schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imsite import answers, push_answers
from imsite.answers import Head, Item, Nothing, Paged, User
from imsite.core.errors import Code

_UUID = "0b9d7c3e-52b6-4f0e-9d0a-3c1f1f0e7a11"
_OTHER_UUID = "6f1d2c9a-8f0e-4f43-a1a5-54d1a2f9c0de"
_DEVICE = {"platform": "android", "name": "Ann's phone"}
_PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Operation:
    """What cannot be read off the view: `answers` by status, an example `body`, errors of its own."""

    answers: Mapping[int, Any]
    body: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[Code, ...] = ()


def _gives(answer: Any, /, *errors: Code, **body: Any) -> Operation:
    return Operation({200: answer}, body=body, errors=errors)


def _rules(*errors: Code, **body: Any) -> Operation:
    """Return an act of those who run a group: it answers with the caller's head."""
    return _gives(Head, Code.FORBIDDEN, *errors, **body)


_ACCOUNTS = {
    "accounts_register": Operation(
        {201: answers.Session},
        body={"username": "ann", "password": _PASSWORD, "device": _DEVICE},
        errors=(Code.CONFLICT, Code.REJECTED_BY_POLICY),
    ),
    "accounts_login": _gives(
        answers.Session,
        Code.BAD_CREDENTIALS,
        Code.BANNED,
        username="ann",
        password=_PASSWORD,
        device={"id": 12, **_DEVICE},
    ),
    "accounts_token_refresh": _gives(
        answers.Tokens, Code.TOKEN_INVALID, Code.BANNED, refresh="12.1.9sK0…"
    ),
    "accounts_logout": _gives(Nothing),
    "get_accounts_devices": _gives(Paged[answers.Device]),
    "accounts_devices_revoke": _gives(Nothing),
    "get_accounts_me": _gives(answers.Me),
    "accounts_me": _gives(
        answers.Me, Code.REJECTED_BY_POLICY, display_name="Ann", bio="Climbs on Tuesdays."
    ),
    "accounts_password": _gives(
        Nothing, Code.BAD_CREDENTIALS, old=_PASSWORD, new="battery staple horse"
    ),
    "accounts_delete": _gives(Nothing, Code.BAD_CREDENTIALS, password=_PASSWORD),
    "get_accounts_export": _gives(answers.Export),
    "accounts_ws_ticket": _gives(answers.Ticket),
    "get_accounts_users": _gives(Paged[User]),
    "get_accounts_users_search": _gives(Paged[User], Code.INVALID_CURSOR),
    "get_accounts_users_by_id": _gives(User),
    "get_accounts_blocks": _gives(Paged[User], Code.INVALID_CURSOR),
    "accounts_blocks_add": _gives(Nothing, Code.NOT_FOUND, user_id=8),
    "accounts_blocks_remove": _gives(Nothing, Code.NOT_FOUND, user_id=8),
}

_CONVERSATIONS = {
    "get_sync": _gives(answers.Synced, Code.INVALID_CURSOR),
    "get_conversations": _gives(Paged[Head], Code.INVALID_CURSOR),
    "conversations": Operation(
        {200: Head, 201: Head},
        body={
            "kind": "group",
            "title": "Climbing",
            "member_ids": [8, 9],
            "client_id": _UUID,
            "settings": {"join": "approve", "history": "all"},
        },
        errors=(Code.NOT_FOUND, Code.CLIENT_ID_CONFLICT, Code.REJECTED_BY_POLICY),
    ),
    "get_conversations_by_id": _gives(Head),
    "get_conversations_members": _gives(Paged[answers.Member], Code.INVALID_CURSOR),
    "get_conversations_requests": _gives(
        Paged[answers.Request], Code.INVALID_CURSOR, Code.FORBIDDEN
    ),
    "get_conversations_reads": _gives(Paged[answers.Reader], Code.INVALID_CURSOR, Code.FORBIDDEN),
    "conversations_join": Operation(
        {200: Head, 202: answers.Pending}, errors=(Code.CONFLICT, Code.FORBIDDEN, Code.MUTED)
    ),
    "conversations_read": _gives(Head, seq=41),
    "conversations_settings": _gives(Head, Code.REJECTED_BY_POLICY, notify="mentions", pinned=True),
    "conversations_typing": _gives(Head),
    "conversations_update": _rules(
        Code.MUTED, Code.REJECTED_BY_POLICY, title="Climbing on Tuesdays", join="open"
    ),
    "conversations_members_add": _rules(Code.CONFLICT, Code.MUTED, user_ids=[8, 9]),
    "conversations_members_remove": _rules(user_ids=[9]),
    "conversations_members_mute": _rules(user_id=9, seconds=3600),
    "conversations_members_role": _rules(user_id=8, role="admin"),
    "conversations_transfer": _rules(user_id=8),
    "conversations_dissolve": _rules(),
    "conversations_leave": _gives(Head, Code.CONFLICT, Code.FORBIDDEN),
    "conversations_requests_decline": _rules(user_ids=[9]),
}

_MAY_SEND = (Code.FORBIDDEN, Code.MUTED, Code.BLOCKED, Code.REJECTED_BY_POLICY)
_ON_AN_ITEM = (Code.FORBIDDEN, Code.CONFLICT, Code.EXPIRED)

_MESSAGES = {
    "get_conversations_messages": _gives(answers.Page),
    "conversations_messages": Operation(
        {200: answers.Receipt, 201: answers.Receipt},
        body={"client_id": _UUID, "kind": "text", "text": "See you at eight.", "mentions": [8]},
        errors=(*_MAY_SEND, Code.CLIENT_ID_CONFLICT, Code.UNAVAILABLE),
    ),
    "get_conversations_messages_at": _gives(answers.Page),
    "get_messages": _gives(answers.Pages),
    "messages": _gives(
        answers.BatchReceipt,
        Code.UNAVAILABLE,
        items=[
            {"conversation_id": 3, "client_id": _UUID, "text": "See you at eight."},
            {
                "conversation_id": 4,
                "client_id": _OTHER_UUID,
                "kind": "location",
                "body": {"lat": 47.37, "lon": 8.54, "label": "The hall"},
            },
        ],
    ),
    "conversations_messages_recall": _gives(Item, *_ON_AN_ITEM, Code.TOO_LATE),
    "conversations_messages_edit": _gives(
        Item,
        *_ON_AN_ITEM,
        Code.MUTED,
        Code.BLOCKED,
        Code.REJECTED_BY_POLICY,
        Code.TOO_LATE,
        text="See you at nine.",
    ),
    "conversations_messages_react": _gives(Item, *_ON_AN_ITEM, Code.MUTED, emoji="👍", op="add"),
    "conversations_messages_pin": _gives(Item, *_ON_AN_ITEM, Code.MUTED),
    "conversations_messages_unpin": _gives(Item, *_ON_AN_ITEM, Code.MUTED),
    "conversations_messages_report": _gives(
        answers.Reported, Code.EXPIRED, reason="spam", note="The third time today."
    ),
    "get_messages_search": _gives(Paged[answers.FoundItem], Code.INVALID_CURSOR),
}

_QUIET = {"start": "22:00", "end": "07:00", "tz": "Europe/Zurich"}

_PUSH = {
    "get_push_tokens": _gives(Paged[push_answers.PushToken]),
    "push_tokens": _gives(
        push_answers.PushToken, provider="fcm", token="dK1x0Zq:APA91bH", app="com.example.chat"
    ),
    "push_tokens_remove": _gives(Nothing),
    "get_push_webpush_key": _gives(push_answers.WebpushKey),
    "get_push_settings": _gives(push_answers.PushSettings),
    "get_push_why": _gives(push_answers.Why, Code.NOT_FOUND),
    "push_settings": _gives(push_answers.PushSettings, preview=False, quiet_hours=_QUIET),
}

OPERATIONS: dict[str, Operation] = {**_ACCOUNTS, **_CONVERSATIONS, **_MESSAGES, **_PUSH}
