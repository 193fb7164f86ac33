"""What requests about accounts may say."""

from typing import Annotated

from pydantic import Field

from accounts.devices import Claim
from imsite.core.shapes import Id, PageQuery, QueryIds, Shape, Visible

DisplayName = Annotated[str, Field(max_length=100), Visible]


class Device(Shape):
    """What a client says of itself; `id` is the device it was before."""

    id: Id | None = None
    platform: Annotated[str, Field(max_length=40)] | None = None
    name: Annotated[str, Field(max_length=100)] | None = None


class Registration(Shape):
    """A new account, and the device it is made on."""

    username: str
    password: str
    display_name: DisplayName | None = None
    device: Device | None = None


class Login(Shape):
    """A name, its password, and the device that logs in."""

    username: str
    password: str
    device: Device | None = None


class Refresh(Shape):
    """A refresh token."""

    refresh: str


class Profile(Shape):
    """What may be changed of oneself; a field that is absent stays, a null picture goes."""

    display_name: DisplayName | None = None
    bio: Annotated[str, Field(max_length=500)] | None = None
    avatar_media_id: Id | None = None

    def changes(self) -> dict[str, object]:
        """Return what was given; for text, null is the same as absent."""
        given = self.model_dump(include=self.model_fields_set)
        return {k: v for k, v in given.items() if v is not None or k == "avatar_media_id"}


class NewPassword(Shape):
    """The password one has, and the one to have."""

    old: str
    new: str


class Closing(Shape):
    """The password, so that a stolen phone cannot end an account."""

    password: str


class Someone(Shape):
    """Another user."""

    user_id: Id


class Some(Shape):
    """Users by their ids, up to 100."""

    ids: QueryIds


class Search(PageQuery):
    """The beginning of a username or display name."""

    q: Annotated[str, Field(min_length=2, max_length=100), Visible]


def claim(device: Device | None) -> Claim:
    """Return what the client says of its device."""
    if device is None:
        return Claim()
    return Claim(id=device.id, platform=device.platform, name=device.name)
