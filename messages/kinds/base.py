"""What a kind of entry is: how its content is checked, whether it counts, what a glance shows."""

from collections.abc import Iterator
from typing import Any, ClassVar

import regex

from imsite.core.errors import InvalidRequest
from imsite.core.shapes import Shape, is_blank

MAX_TEXT = 4_000
GLANCE = 200
Content = dict[str, Any]
Problems = dict[str, list[str]]
_GRAPHEME = regex.compile(r"\X")


class Kind:
    """One kind of entry; a new one is a subclass, its place in KINDS, and a test.

    `Body` is the shape of the body (None: there is none), `shown` those of its fields that people
    read, `label` what stands in a preview when there are no words.
    """

    name: ClassVar[str]
    Body: ClassVar[type[Shape] | None] = None
    by_people: ClassVar[bool] = True
    counts: ClassVar[bool] = True
    # Its only use is to change another entry: view=chat skips it, and last_at stays.
    changes_only: ClassVar[bool] = False
    takes_body: ClassVar[bool] = True
    needs_text: ClassVar[bool] = False
    shown: ClassVar[tuple[str, ...]] = ()
    label: ClassVar[str] = ""

    def problems(self, text: str | None, body: Content | None) -> Problems:
        """Return what is wrong with this content, by field; empty when it is good."""
        found: Problems = {}
        if problem := self._text_problem(text):
            found["text"] = [problem]
        if not self.takes_body:
            if body is not None:
                found["body"] = [f"{self.name} takes no body"]
        elif body is None:
            found["body"] = [f"{self.name} needs a body"]
        else:
            found.update(self.body_problems(body))
        return found

    def body_problems(self, body: Content) -> Problems:
        """Return what is wrong with the body, by field."""
        if self.Body is None:
            return {}
        try:
            # Only checked: what is kept is the very object that was sent.
            self.Body.read(body)
        except InvalidRequest as error:
            fields = (error.data or {})["fields"]
            return {f"body.{name}": told for name, told in fields.items()}
        return {}

    def preview(self, text: str | None, body: Content | None) -> str | None:
        """Return what a list of conversations shows: at most 200 code points, whole graphemes."""
        found = next(self.strings(text, body), "") or self.label
        return cut(found) if found else None

    def push(self, text: str | None, body: Content | None) -> str | None:
        """Return what a notification says, or None if the kind never wakes anybody."""
        return self.preview(text, body) if self.counts else None

    def strings(self, text: str | None, body: Content | None) -> Iterator[str]:
        """Yield what people can read in this content, the most telling first."""
        if text:
            yield text
        for name in self.shown:
            value = (body or {}).get(name)
            if isinstance(value, str) and not is_blank(value):
                yield value

    def _text_problem(self, text: str | None) -> str | None:
        if text is None:
            return "must not be empty" if self.needs_text else None
        if len(text) > MAX_TEXT:
            return f"at most {MAX_TEXT} characters"
        return "must not be empty" if is_blank(text) else None


def cut(text: str, limit: int = GLANCE) -> str:
    """Return the longest start of whole graphemes within `limit` code points."""
    if len(text) <= limit:
        return text
    # One code point beyond the limit shows whether a grapheme ends at it.
    ends = [found.end() for found in _GRAPHEME.finditer(text, 0, limit + 1)]
    return text[: next((end for end in reversed(ends) if end <= limit), limit)]


def check_emoji(emoji: str) -> None:
    """Refuse what is not one visible grapheme of at most 16 code points."""
    if len(emoji) > 16 or is_blank(emoji) or not _GRAPHEME.fullmatch(emoji):
        raise InvalidRequest.field("emoji", "must be one emoji")
