"""The strings of a message that somebody can read, and the message with other words in their place."""

from collections.abc import Callable, Iterator
from typing import Any

Body = dict[str, Any]


def strings(kind: str, text: str | None, body: Body | None) -> Iterator[str]:
    """Yield every string: the text, all of a body, and the names in one that the client made up."""
    if text:
        yield text
    if body:
        yield from _values(body)
        yield from names(kind, body)


def names(kind: str, body: Body | None) -> Iterator[str]:
    """Yield the names in a body that are the client's own."""
    if body and kind == "custom":
        yield from _names(body)


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _values(inner)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _names(inner)


def rewritten(
    text: str | None, body: Body | None, change: Callable[[str], str]
) -> tuple[str | None, Body | None]:
    """Return text and body with each string changed; the names in a body stay."""
    return text and change(text), body and _rewritten(body, change)


def _rewritten(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case str():
            return change(value)
        case dict():
            return {name: _rewritten(inner, change) for name, inner in value.items()}
        case list():
            return [_rewritten(inner, change) for inner in value]
    return value
