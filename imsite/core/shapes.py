"""The base of every request shape: strict types, unknown fields refused, problems told by field."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

import regex
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import ValidationError as ShapeError

from imsite.core.errors import InvalidRequest

MAX_ID = 2**53 - 1
_DIGITS = re.compile(r"[0-9]{1,16}", re.ASCII)
# Default_Ignorable holds the joiners, fillers and selectors; U+2800 is the blank Braille pattern.
_BLANK = regex.compile(r"[\s\p{Cc}\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]*")
_TO_THE_SECOND = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}", re.ASCII)

T = TypeVar("T", bound="Shape")


class Shape(BaseModel):
    """What a request may say: no coercion, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @classmethod
    def read(cls, value: dict[str, Any]) -> Self:
        """Return the checked shape; raise InvalidRequest with `data.fields` otherwise."""
        try:
            return cls.model_validate(value)
        except ShapeError as error:
            raise InvalidRequest(data={"fields": _problems(error)}) from None


def _problems(error: ShapeError) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(step) for step in problem["loc"]) or "body"
        found.setdefault(place, []).append(problem["msg"].removeprefix("Value error, "))
    return found


def is_blank(text: str) -> bool:
    """Say whether nothing in this text can be seen."""
    if text[:1].isascii() and text[:1].isalnum():
        return False
    return _BLANK.fullmatch(text, concurrent=False) is not None


def visible(text: str) -> str:
    """Refuse text that nobody can see."""
    if is_blank(text):
        raise ValueError("must not be empty")
    return text


def _digits(value: Any) -> Any:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    raise ValueError("must be a whole number in ASCII digits")


def _id_list(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be ids separated by commas")
    return [_digits(part) for part in value.split(",")]


def _time(value: Any) -> Any:
    if not isinstance(value, str) or not _TO_THE_SECOND.match(value):
        raise ValueError("must be a time as in RFC 3339")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise ValueError("must be a time as in RFC 3339") from error
    if moment.tzinfo is None:
        raise ValueError("must have an offset or Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is outside the calendar") from error


Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Seq = Annotated[int, Field(ge=0, le=MAX_ID)]
Visible = AfterValidator(visible)
# In query strings everything is text.
QueryInt = Annotated[int, BeforeValidator(_digits), Field(ge=0, le=MAX_ID)]
QueryIds = Annotated[list[Id], BeforeValidator(_id_list), Field(min_length=1, max_length=100)]
QueryTime = Annotated[AwareDatetime, BeforeValidator(_time)]


def at_most(top: int) -> AfterValidator:
    """Return what cuts a number at `top`."""
    return AfterValidator(lambda number: min(number, top))


Digits = BeforeValidator(_digits)
Limit = Annotated[int, Digits, Field(ge=1, le=MAX_ID), at_most(200)]


class NoQuery(Shape):
    """The query of a route that takes none."""


class NoBody(Shape):
    """The body of a POST that has no fields."""


class PageQuery(Shape):
    """The query of every list that can grow."""

    cursor: str | None = None
    limit: Limit = 50


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def uuid_text(value: Any) -> Any:
    """Take a UUID in its usual form only, in any case."""
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    raise ValueError("must be a UUID")
