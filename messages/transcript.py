"""Chat kept in a file: one JSON object a line, `{"at", "nick", "kind": "say"|"action", "text"}`."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, cast
from uuid import UUID, uuid5

from pydantic import Field

from imsite.core import strict
from imsite.core.errors import AppError
from imsite.core.shapes import QueryTime, Shape, Visible
from messages import kinds

_NAMESPACE = UUID("5f0a2c1e-7d0b-5a43-9f58-2a1f6c0e9b77")


class _Line(Shape):
    at: QueryTime
    nick: Annotated[str, Field(max_length=100), Visible]
    kind: Literal["say", "action"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody said: good to be sent as it is."""

    number: int
    raw: bytes
    at: datetime
    nick: str
    text: str

    @property
    def client_id(self) -> UUID:
        """The id under which this very line is sent, however often."""
        return uuid5(_NAMESPACE, f"{self.number}:{self.raw.decode()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A line that cannot be sent, and why."""

    number: int
    reason: str


def read(path: Path) -> Iterator[Said | Refused]:
    """Yield the lines in their order, numbered from 1, blank ones left out; `.gz` is unpacked."""
    with _open(path) as lines:
        for number, raw in enumerate(lines, 1):
            if raw := raw.strip():
                yield _line(number, raw)


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _line(number: int, raw: bytes) -> Said | Refused:
    try:
        line = _Line.read(strict.parse_object(raw))
        text = f"* {line.nick} {line.text}" if line.kind == "action" else line.text
        kinds.check("text", text, None)
    except AppError as error:
        return Refused(number=number, reason=reason(error))
    at = line.at.replace(microsecond=line.at.microsecond // 1000 * 1000)
    return Said(number=number, raw=raw, at=at, nick=line.nick, text=text)


def reason(error: AppError) -> str:
    """Return in one line what an error says."""
    fields = (error.data or {}).get("fields")
    if not fields:
        return str(error)
    return "; ".join(f"{name} {', '.join(told)}" for name, told in fields.items())
