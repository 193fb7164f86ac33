"""What a sender says, read once from HTTP, batch and socket alike; the database is asked later."""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, Field, PlainValidator

from imsite.core.errors import InvalidRequest
from imsite.core.shapes import MAX_ID, Id, Shape
from messages import kinds

MAX_MENTIONS = 50
Mentions = tuple[int, ...] | Literal["all"]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def _mentions(value: Any) -> Mentions | None:
    if value is None or value == "all":
        return value  # type: ignore[no-any-return]
    if not isinstance(value, list) or len(value) > MAX_MENTIONS:
        raise ValueError(f'must be "all" or a list of at most {MAX_MENTIONS} user ids')
    if not all(type(one) is int and 1 <= one <= MAX_ID for one in value):
        raise ValueError("must be user ids")
    return tuple(dict.fromkeys(value))


def _uuid(value: str) -> str:
    if not _UUID.fullmatch(value):
        raise ValueError("must be a UUID such as 0b9d7c3e-52b6-4f0e-9d0a-3c1f1f0e7a11")
    return value


# A union would put the names of its branches into the error's place, and costs more.
MentionsField = Annotated[
    Any,
    PlainValidator(
        _mentions,
        json_schema_input_type=Annotated[list[Id], Field(max_length=MAX_MENTIONS)]
        | Literal["all"]
        | None,
    ),
]


class Message(Shape):
    """The fields of a send, on every way in; null is the same as absent."""

    client_id: Annotated[str, AfterValidator(_uuid), Field(json_schema_extra={"format": "uuid"})]
    kind: str | None = None
    text: str | None = None
    body: dict[str, Any] | None = None
    reply_to: Id | None = None
    mentions: MentionsField = None


class Revision(Shape):
    """The fields of an edit; what is null or absent stays."""

    text: str | None = None
    body: dict[str, Any] | None = None
    mentions: MentionsField = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What somebody wants to append: good by itself, not yet held against members and log."""

    conversation_id: int
    sender_id: int
    # As UUIDs are written: 36 characters, lower case.
    client_id: str
    kind: str
    text: str | None
    body: dict[str, Any] | None
    reply_to: int | None
    mentions: Mentions | None
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """New content for an entry: None keeps what is there; mentions of () take them all away."""

    text: str | None
    body: dict[str, Any] | None
    mentions: Mentions | None


def parse(conversation_id: int, sender_id: int, message: dict[str, Any]) -> Draft:
    """Return the draft in `message`; raise InvalidRequest with `data.fields` otherwise."""
    said = Message.read(message)
    kind = "text" if said.kind is None else said.kind
    kinds.check(kind, said.text, said.body)
    mentions = said.mentions or None
    return Draft(
        conversation_id=conversation_id,
        sender_id=sender_id,
        client_id=said.client_id.lower(),
        kind=kind,
        text=said.text,
        body=said.body,
        reply_to=said.reply_to,
        mentions=mentions,
        digest=_digest(kind, said.text, said.body, said.reply_to, mentions),
    )


def parse_edit(message: dict[str, Any]) -> Edit:
    """Return the edit in `message`; its fit to the entry is for `kinds.check_item` to say."""
    said = Revision.read(message)
    if said.text is None and said.body is None and said.mentions is None:
        raise InvalidRequest.field("text", "give a new text, body or mentions")
    return Edit(text=said.text, body=said.body, mentions=said.mentions)


def _digest(
    kind: str,
    text: str | None,
    body: dict[str, Any] | None,
    reply_to: int | None,
    mentions: Mentions | None,
) -> bytes:
    told = sorted(mentions) if isinstance(mentions, tuple) else mentions
    content = orjson.dumps([kind, text, body, reply_to, told], option=orjson.OPT_SORT_KEYS)
    return blake2b(content, digest_size=8).digest()
