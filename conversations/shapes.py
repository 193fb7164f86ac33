"""What requests about conversations may say."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, model_validator

from imsite.core.shapes import Id, Shape, Visible, uuid_text

Title = Annotated[str, Field(max_length=200), Visible]
People = Annotated[list[Id], Field(min_length=1, max_length=500)]
ClientId = Annotated[UUID, BeforeValidator(uuid_text)]
# Muting for longer than ten years is a removal.
_MUTE_TOP = 10 * 366 * 86_400


class Rules(Shape):
    """The settings of a group."""

    announcement: Annotated[str, Field(max_length=4000)] | None = None
    mute_all: bool | None = None
    join: Literal["invite", "approve", "open"] | None = None
    history: Literal["since_join", "all"] | None = None
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    def changes(self) -> dict[str, Any]:
        """Return what was given; null clears the retention and is no change of anything else."""
        given = self.model_dump(exclude_unset=True)
        return {k: v for k, v in given.items() if v is not None or k == "retention_days"}


class Update(Rules):
    """Changes of a group."""

    title: Title | None = None
    avatar_media_id: None = None

    def changes(self) -> dict[str, Any]:
        """Return what was given; pictures wait for media."""
        return {k: v for k, v in super().changes().items() if k != "avatar_media_id"}


class Opening(Shape):
    """A conversation to be opened."""

    kind: Literal["direct", "group"]
    user_id: Id | None = None
    title: Title | None = None
    member_ids: Annotated[list[Id], Field(max_length=500)] | None = None
    client_id: ClientId | None = None
    settings: Rules | None = None

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        group_fields = {"title", "member_ids", "client_id", "settings"}
        foreign = group_fields if self.kind == "direct" else {"user_id"}
        needed = "user_id" if self.kind == "direct" else "title"
        if getattr(self, needed) is None:
            raise ValueError(f"{needed} is required for a {self.kind} conversation")
        if given := foreign & self.model_fields_set:
            raise ValueError(f"{', '.join(sorted(given))} do not belong to a {self.kind} one")
        return self


class Reading(Shape):
    """How far the marker shall stand."""

    seq: Annotated[int, Field(ge=0, le=2**53 - 1)]
    force: bool = False


class Muting(Shape):
    """Whom to mute for how long; null lifts it."""

    user_id: Id
    seconds: Annotated[int, Field(ge=0, le=_MUTE_TOP)] | None


class OwnSettings(Shape):
    """One's own view of a conversation."""

    notify: Literal["all", "mentions", "none"] | None = None
    pinned: bool | None = None
    hidden: bool | None = None
    nickname: Annotated[str, Field(max_length=100), Visible] | None = None

    def changes(self) -> dict[str, Any]:
        """Return what was given; null clears the nickname and is no change of anything else."""
        given = self.model_dump(exclude_unset=True)
        return {k: v for k, v in given.items() if v is not None or k == "nickname"}


class Person(Shape):
    """One person."""

    user_id: Id


class Several(Shape):
    """Some people."""

    user_ids: People


class RoleGiven(Shape):
    """Whose role becomes what."""

    user_id: Id
    role: Literal["admin", "member"]
