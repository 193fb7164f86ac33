"""JSON and query strings exactly as the contract takes them (API §1), or an AppError; for every door."""

from typing import Any
from urllib.parse import parse_qsl

import orjson

from imsite.core.errors import AppError, Code, InvalidRequest

MAX_DEPTH = 32
# Beyond ±2^53 a double, and so a browser, cannot tell neighbours apart.
MAX_NUMBER = 2**53
_MOST_FIELDS = 100


class TooLarge(AppError):
    """The body is too large."""

    code = Code.TOO_LARGE


class UnsupportedMediaType(AppError):
    """The body must be uncompressed JSON in UTF-8."""

    code = Code.UNSUPPORTED_MEDIA_TYPE


def parse_object(raw: bytes | str) -> dict[str, Any]:
    """Return the JSON object in `raw`; anything that could not be kept and read again is refused."""
    try:
        value = orjson.loads(raw)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise InvalidRequest("The body is not valid JSON.") from error
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.")
    check_value(value)
    return value


def check_value(value: Any, depth: int = 0) -> None:
    """Refuse NUL, lone surrogates, numbers that are not exact everywhere, and deep nesting."""
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, dict | list):
        if depth == MAX_DEPTH:
            raise InvalidRequest(f"The body nests deeper than {MAX_DEPTH}.")
        if isinstance(value, dict):
            check_text("".join(value))
            value = value.values()
        for inner in value:
            # Most of it is text; a call of this function for each would cost more than the look.
            if isinstance(inner, str):
                check_text(inner)
            elif inner is not None:
                check_value(inner, depth + 1)
    elif isinstance(value, int | float) and not -MAX_NUMBER <= value <= MAX_NUMBER:
        # NaN fails every comparison, so it is caught here too.
        raise InvalidRequest("A number is outside ±2^53.")


def check_text(text: str) -> None:
    """Refuse text that some database, or some client, cannot hold."""
    if "\x00" in text:
        raise InvalidRequest("Text must not contain NUL.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequest("Text must not contain lone surrogates.") from error


def check_media_type(content_type: str, content_encoding: str) -> None:
    """Refuse any body but plain JSON in UTF-8."""
    kind, _, rest = content_type.partition(";")
    charset = rest.strip().lower().replace('"', "").replace(" ", "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise UnsupportedMediaType
    if content_encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType


def parse_query(raw: str) -> dict[str, str]:
    """Return the parameters of a query string (as WSGI hands it over: bytes in latin-1), each once."""
    if not raw:
        return {}
    found = _plain(raw)
    return _parsed(raw) if found is None else found


def _plain(raw: str) -> dict[str, str] | None:
    """Return what nearly all queries say, where nothing is escaped; None if there is more to it."""
    if "%" in raw or "+" in raw or not raw.isascii() or not raw.isprintable():
        return None
    parts = [part.partition("=") for part in raw.split("&", _MOST_FIELDS) if part]
    found = {name: value for name, _, value in parts}
    return found if len(found) == len(parts) < _MOST_FIELDS else None


def _parsed(raw: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            raw.encode("latin-1").decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise InvalidRequest("The query string is not valid.") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidRequest("A query parameter is given twice.")
    for name, value in pairs:
        check_text(name)
        check_text(value)
    return found
