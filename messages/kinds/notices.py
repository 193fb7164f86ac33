"""The kinds that the server appends: what changed an entry, the members or the conversation."""

from typing import Literal

from imsite.core.shapes import Id, Shape
from messages.kinds.base import Kind


class Notice(Kind):
    """An entry of the server's; it does not count."""

    by_people = False
    counts = False


class Change(Notice):
    """A notice that another entry changed, which shows it by itself."""

    changes_only = True

    class Body(Shape):
        target: Id


class Recall(Change):
    """An entry was taken back."""

    name = "recall"


class Edit(Change):
    """An entry was written anew."""

    name = "edit"


class Reaction(Change):
    """Somebody put an emoji on an entry, or took it away."""

    name = "reaction"

    class Body(Shape):
        target: Id
        emoji: str
        op: Literal["add", "remove"]


class Pin(Change):
    """An entry was pinned or unpinned."""

    name = "pin"

    class Body(Shape):
        target: Id
        op: Literal["add", "remove"]


class Created(Notice):
    """The conversation began."""

    name = "created"

    class Body(Shape):
        title: str | None


class Moved(Notice):
    """Somebody came or went, by their own hand or another's."""

    class Body(Shape):
        user_id: Id
        by: Id


class MemberJoined(Moved):
    """Somebody is in."""

    name = "member_joined"


class MemberLeft(Moved):
    """Somebody went."""

    name = "member_left"


class MemberRemoved(Moved):
    """Somebody was sent away."""

    name = "member_removed"


class RoleChanged(Notice):
    """Somebody has another role."""

    name = "role_changed"

    class Body(Shape):
        user_id: Id
        role: Literal["owner", "admin", "member"]
        by: Id


class TitleChanged(Notice):
    """The group has another title."""

    name = "title_changed"

    class Body(Shape):
        title: str


class Announcement(Notice):
    """The group has another announcement; empty when it was taken down."""

    name = "announcement"

    class Body(Shape):
        text: str


class Dissolved(Notice):
    """The group is no more."""

    name = "dissolved"

    class Body(Shape):
        by: Id
