"""The audit log as files: JSON lines that prove themselves, and CSV that no spreadsheet executes."""

import csv
import io
from collections.abc import Iterator

import orjson
from django.db import transaction

from accounts import audit
from accounts.authority import Warrant

PERMISSION = "accounts.export_auditentry"
COLUMNS = (
    "number", "at", "actor_id", "act", "target", "reason", "before", "after", "address", "prior",
    "digest",
)  # fmt: skip
# What makes a spreadsheet take a cell for a formula (OWASP, CSV injection), full-width forms too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def json_lines(*, after: int = 0) -> Iterator[bytes]:
    """Yield a line for each row; `digest` is SHA-256 over the line without it, keys sorted."""
    for entry in audit.walk(after=after):
        line = audit.shape(entry) | {"digest": bytes(entry.digest).hex()}
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS)


def csv_lines(*, after: int = 0) -> Iterator[bytes]:
    """Yield the heading, then a line for each row, every cell quoted."""
    yield _line(list(COLUMNS))
    for entry in audit.walk(after=after):
        shown = audit.shape(entry) | {
            "before": entry.before,
            "after": entry.after,
            "digest": bytes(entry.digest).hex(),
        }
        yield _line([_cell(shown[name]) for name in COLUMNS])


FORMATS = {"jsonl": json_lines, "csv": csv_lines}


def export(warrant: Warrant, form: str) -> Iterator[bytes]:
    """Put the export on record, and return the lines of the file, which end with that record."""
    warrant.require(PERMISSION)
    with transaction.atomic():
        warrant.record("audit.export", "audit:all", after={"form": form})
    return FORMATS[form]()


def _cell(value: object) -> str:
    """Return the text of a cell, with an apostrophe before what would be a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(cells: list[str]) -> bytes:
    target = io.StringIO()
    csv.writer(target, quoting=csv.QUOTE_ALL).writerow(cells)
    return target.getvalue().encode()
