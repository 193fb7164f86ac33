"""What requests about messages may say."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from imsite.core.shapes import Limit, PageQuery, QueryInt, QueryTime, Shape, Visible

View = Literal["log", "chat"]
_PLACE = re.compile(r"([0-9]{1,16}):([0-9]{1,16})", re.ASCII)


class PagePosition(Shape):
    """Which page: at most one position."""

    before: QueryInt | None = None
    after: QueryInt | None = None
    around: QueryInt | None = None
    limit: Limit = 50
    view: View = "log"

    @model_validator(mode="after")
    def _one_position(self) -> Self:
        if len({"before", "after", "around"} & self.model_fields_set) > 1:
            raise ValueError("give at most one of before, after and around")
        return self


class AtTime(Shape):
    """Which time."""

    time: QueryTime
    limit: Limit = 50
    view: View = "log"


def _places(value: Any) -> Any:
    parts = value.split(",") if isinstance(value, str) else []
    found = [_PLACE.fullmatch(part) for part in parts]
    places = [(int(each[1]), int(each[2])) for each in found if each]
    if not found or None in found or max(max(place) for place in places) >= 2**53:
        raise ValueError("must be ID:SEQ pairs separated by commas")
    if len(places) > 100 or len(dict(places)) != len(places):
        raise ValueError("must be at most 100 conversations, each once")
    return dict(places)


class Places(Shape):
    """Several conversations, each with the seq after which to go on."""

    after: Annotated[dict[int, int], BeforeValidator(_places)]
    limit: Limit = 50


class Batch(Shape):
    """Several messages at once."""

    items: Annotated[list[Any], Field(min_length=1, max_length=100)]


class React(Shape):
    """An emoji to add or remove."""

    emoji: Annotated[str, Field(min_length=1, max_length=16)]
    op: Literal["add", "remove"]


class Reported(Shape):
    """Why something is wrong."""

    reason: Annotated[str, Field(max_length=100), Visible]
    note: Annotated[str, Field(max_length=2000)] | None = None


class SearchQuery(PageQuery):
    """What to look for, and where."""

    q: Annotated[str, Field(min_length=1, max_length=200), Visible]
    conversation_id: QueryInt | None = None
