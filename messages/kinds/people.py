"""The kinds that people send."""

import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, Field

from imsite.core.shapes import Id, Shape, Visible
from messages.kinds.base import Content, Kind, Problems

MAX_CUSTOM_BYTES = 4_096
MAX_CUSTOM_DEPTH = 8
_AMOUNT = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]{1,2})?", re.ASCII)
# A browser reads a backslash as a slash and drops control characters: the host would be another.
_URL = re.compile(r"https?://[^\s\x00-\x1f\x7f\\]+", re.IGNORECASE)


def _amount(value: str) -> str:
    # Leading zeros are refused, so that one amount has few spellings; "5", "5.0" and "5.00" stand.
    if not _AMOUNT.fullmatch(value) or len(value.replace(".", "")) > 12 or not Decimal(value):
        raise ValueError(
            "must be positive, at most 12 digits with at most 2 decimals, such as 8.88"
        )
    return value


def _url(value: str) -> str:
    if not _URL.fullmatch(value) or not _has_host(value):
        raise ValueError("must be a whole http or https address")
    return value


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


Url = Annotated[str, Field(max_length=2_000), AfterValidator(_url)]
Line = Annotated[str, Field(max_length=200)]
Name = Annotated[str, Field(max_length=200), Visible]
Memo = Annotated[str, Field(max_length=2_000)]
Pixels = Annotated[int, Field(ge=1, le=100_000)]
Lat = Annotated[float, Field(ge=-90, le=90)]
Lon = Annotated[float, Field(ge=-180, le=180)]


class Text(Kind):
    """Words."""

    name = "text"
    takes_body = False
    needs_text = True


class Media(Kind):
    """A file in our store; refused until the store exists."""

    shown: ClassVar[tuple[str, ...]] = ("name",)

    class Body(Shape):
        media_id: Id
        name: Annotated[str, Field(max_length=255)] | None = None
        duration_ms: Annotated[int, Field(ge=0, le=2**31)] | None = None
        width: Pixels | None = None
        height: Pixels | None = None

    def body_problems(self, body: Content) -> Problems:
        """Refuse: nobody could see the file."""
        return super().body_problems(body) or {"body.media_id": ["media is not available yet"]}


class Image(Media):
    """A picture."""

    name = "image"
    label = "[image]"


class Video(Media):
    """A film."""

    name = "video"
    label = "[video]"


class Voice(Media):
    """A spoken message."""

    name = "voice"
    label = "[voice]"
    shown = ()


class File(Media):
    """Any other file."""

    name = "file"
    label = "[file]"


class Location(Kind):
    """A place in degrees."""

    name = "location"
    label = "[location]"
    shown = ("label",)

    class Body(Shape):
        lat: Lat
        lon: Lon
        label: Line | None = None


class Link(Kind):
    """A page of the web."""

    name = "link"
    label = "[link]"
    shown = ("title", "memo")

    class Body(Shape):
        url: Url
        title: Annotated[str, Field(max_length=500)] | None = None
        memo: Memo | None = None
        pic: Url | None = None


class Sticker(Kind):
    """One picture of a pack that clients have."""

    name = "sticker"
    label = "[sticker]"
    shown = ("name",)

    class Body(Shape):
        pack: Name
        name: Name


class RedPacket(Kind):
    """A gift of money; only told, nothing is paid here."""

    name = "red_packet"
    label = "[red packet]"
    shown = ("memo",)

    class Body(Shape):
        amount: Annotated[str, AfterValidator(_amount)]
        memo: Memo | None = None


class Card(Kind):
    """Somebody's visiting card."""

    name = "card"
    label = "[card]"

    class Body(Shape):
        user_id: Id


class Custom(Kind):
    """Any JSON object for clients that know it, and a text for those that do not."""

    name = "custom"
    needs_text = True

    def body_problems(self, body: Content) -> Problems:
        """Refuse what is too large or too deep; the object itself is the first level."""
        if _deeper(body, MAX_CUSTOM_DEPTH):
            return {"body": [f"at most {MAX_CUSTOM_DEPTH} levels deep"]}
        if len(orjson.dumps(body)) > MAX_CUSTOM_BYTES:
            return {"body": [f"at most {MAX_CUSTOM_BYTES} bytes of JSON"]}
        return {}


def _deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    return any(
        _deeper(inner, levels - 1)
        for inner in (value.values() if isinstance(value, dict) else value)
    )
