"""What leaves the server under `data`, as models for the OpenAPI description only.

Nothing is ever made from these: answers are plain dictionaries, or bytes straight from the log. The
examples here also make the example answers; tests hold real answers against these models.
"""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")
Like = Field  # reads as: a string, like "…"

_WHEN = "2026-11-23T14:50:00.123Z"
Time = Annotated[datetime, Like(examples=[_WHEN])]
Seq = Annotated[int, Like(ge=0, examples=[41])]
Id = Annotated[int, Like(ge=1, examples=[7])]
Uuid = Annotated[
    str,
    Field(json_schema_extra={"format": "uuid"}, examples=["0b9d7c3e-52b6-4f0e-9d0a-3c1f1f0e7a11"]),
]


class Answer(BaseModel):
    """Everything is told: absent values are null."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Answer):
    """No data: that it was done is the answer."""


class Paged(Answer, Generic[T]):
    """A part of a list; `next` is the cursor of the part that follows, null at the end."""

    items: list[T]
    next: Annotated[str | None, Like(examples=["kzH1b0m8…"])]


class Failure(Answer):
    """The envelope of everything that went wrong."""

    code: Annotated[int, Like(description="HTTP status × 100 + n", examples=[40400])]
    error: Annotated[str, Like(description="the stable name of the code", examples=["not_found"])]
    message: Annotated[str, Like(description="a sentence for a person")]
    data: dict[str, Any] | None
    request_id: Annotated[str, Like(examples=["5f3a9c1e7b2d4860"])]


class User(Answer):
    """A person or a bot; a deleted one keeps its id and nothing else."""

    id: Id
    username: Annotated[str, Like(examples=["ann"])]
    display_name: Annotated[str, Like(examples=["Ann"])]
    avatar_url: Annotated[str | None, Like(examples=[None])]
    bio: Annotated[str, Like(examples=[""])]
    kind: Literal["person", "bot"]
    deleted: bool


class Me(User):
    """Oneself."""

    created_at: Time
    is_staff: bool


class Tokens(Answer):
    """A fresh pair; the refresh token serves once."""

    access: Annotated[str, Like(examples=["eyJ1Ijo3…"])]
    access_expires_at: Time
    refresh: Annotated[str, Like(examples=["12.1.9sK0…"])]


class Session(Tokens):
    """A device that has just signed in."""

    user: User
    device_id: Annotated[int, Like(examples=[12])]


class Device(Answer):
    """A signed-in client."""

    id: Annotated[int, Like(examples=[12])]
    platform: Annotated[str, Like(examples=["android"])]
    name: Annotated[str, Like(examples=["Ann's phone"])]
    created_at: Time
    last_seen_at: Time
    current: Annotated[bool, Like(examples=[True])]


class Ticket(Answer):
    """A pass for one socket."""

    ticket: Annotated[str, Like(examples=["q5Xw0T…"])]
    expires_at: Time


class Export(BaseModel):
    """All that is stored of the caller, by subject."""

    model_config = ConfigDict(extra="allow")


class Preview(Answer):
    """The newest countable item that the caller may read; once recalled its text is null."""

    seq: Seq
    kind: Annotated[str, Like(examples=["text"])]
    sender_id: Id
    sent_at: Time
    text: Annotated[str | None, Like(max_length=200, examples=["See you at eight."])]


class Membership(Answer):
    """The caller's own place in a conversation."""

    role: Literal["owner", "admin", "member"]
    joined_at: Time
    visible_from: Annotated[int, Like(examples=[1])]
    muted_until: Annotated[datetime | None, Like(examples=[None])]
    notify: Literal["all", "mentions", "none"]
    pinned: bool
    hidden: bool
    nickname: Annotated[str | None, Like(examples=[None])]


class Settings(Answer):
    """The rules of a conversation."""

    announcement: Annotated[str | None, Like(examples=[None])]
    mute_all: bool
    join: Literal["invite", "approve", "open"]
    history: Literal["since_join", "all"]
    retention_days: Annotated[int | None, Like(examples=[None])]


class Head(Answer):
    """A conversation as the caller sees it; after it ended only what is left of that."""

    id: Annotated[int, Like(examples=[3])]
    kind: Annotated[Literal["direct", "group"], Like(examples=["group"])]
    title: Annotated[str | None, Like(examples=["Climbing"])]
    avatar_url: Annotated[str | None, Like(examples=[None])]
    peer_id: Annotated[int | None, Like(examples=[None])]
    member_count: Annotated[int, Like(examples=[5])]
    created_at: Time
    version: Annotated[
        int, Like(description="apply a head only if not older than yours", examples=[96])
    ]
    last_seq: Seq
    floor_seq: Annotated[int, Like(examples=[0])]
    backlog_from: Annotated[int, Like(examples=[12])]
    read_seq: Annotated[int, Like(examples=[39])]
    unread: Annotated[int, Like(examples=[2])]
    mentions: Annotated[int, Like(examples=[0])]
    peer_read_seq: Annotated[int | None, Like(description="direct only", examples=[None])]
    preview: Preview | None
    membership: Membership | None
    settings: Settings | None
    state: Literal["active", "left", "removed", "dissolved"]


class SyncedHead(Head):
    """A head in sync, with its newest items if `messages` was asked for."""

    items: "list[Item] | None" = None


class Pending(Answer):
    """The request to join waits for an owner or admin."""

    state: Literal["pending"]


class Member(Answer):
    """A member as the others see them."""

    user_id: Id
    user: User
    role: Literal["owner", "admin", "member"]
    joined_at: Time
    nickname: Annotated[str | None, Like(examples=[None])]
    muted_until: Annotated[datetime | None, Like(examples=[None])]


class Request(Answer):
    """Someone who asks to be let in."""

    user_id: Id
    user: User
    created_at: Time


class Reader(Answer):
    """How far a member has read."""

    user_id: Id
    read_seq: Seq


class Item(BaseModel):
    """An entry of a log; empty fields are left out, as these are the very bytes that are stored."""

    seq: Seq
    ordinal: Annotated[int, Like(examples=[38])]
    kind: Annotated[str, Like(examples=["text"])]
    sender_id: Id
    sent_at: Time
    client_id: Uuid | None = None
    text: Annotated[str | None, Like(examples=["See you at eight."])] = None
    body: dict[str, Any] | None = None
    reply_to: int | None = None
    mentions: list[int] | Literal["all"] | None = None
    event: Literal[True] | None = None
    edited_at: datetime | None = None
    recalled_at: datetime | None = None
    recalled_by: int | None = None
    reactions: dict[str, list[int] | dict[str, int]] | None = None
    pinned: Literal[True] | None = None


class FoundItem(Item):
    """An item that a search found, and where."""

    conversation_id: Annotated[int, Like(examples=[3])]


class Page(Answer):
    """A stretch of a log: every seq of from_seq..to_seq is covered; empty if from_seq = to_seq + 1."""

    items: list[Item]
    from_seq: Seq
    to_seq: Seq
    last_seq: Seq
    floor_seq: Annotated[int, Like(examples=[0])]
    has_before: Annotated[bool, Like(examples=[True])]
    has_after: bool


class Pages(BaseModel):
    """A page of each conversation by its id; null for one that the caller may not read."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Page | None]


class Receipt(Answer):
    """Where the message stands for good."""

    seq: Seq
    ordinal: Annotated[int, Like(examples=[38])]
    sent_at: Time
    duplicate: bool


class Accepted(Receipt):
    """One message of a batch that was taken."""

    ok: Literal[True]


class Refused(Answer):
    """One message of a batch that was refused; its neighbours do not care."""

    ok: Literal[False]
    code: int
    error: str
    message: str
    data: dict[str, Any] | None


class BatchReceipt(Answer):
    """What became of each message, in the order given."""

    items: list[Accepted | Refused]


class Reported(Answer):
    """The report that the moderators see."""

    id: Id


class Synced(Answer):
    """The heads that changed, and the cursor that goes on from here."""

    cursor: Annotated[str, Like(examples=["pX0r7w…"])]
    more: Annotated[bool, Like(description="ask again with the new cursor at once")]
    reset: Annotated[bool, Like(description="forget all heads and items of before")]
    items: list[SyncedHead]
    unread_total: Annotated[int, Like(examples=[2])]
    next_poll_ms: Annotated[int, Like(examples=[5000])]
    server_time: Time
