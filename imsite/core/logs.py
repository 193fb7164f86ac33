"""How a log line looks, and what never gets into one: values in exceptions, query strings, tokens."""

import logging
import re
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.orjson import OrjsonFormatter

# The request that this thread answers; in every line that is written meanwhile.
request_id: ContextVar[str] = ContextVar("request_id", default="")
# What a line may carry besides its message. Libraries hang requests and arguments on theirs.
EXTRA = ("method", "operation", "status", "ms", "bytes", "user_id")

_QUERY = re.compile(r"\?[^\s\"'<>]*=[^\s\"'<>]*")
_BEARER = re.compile(r"(?i)\b(bearer[ .])[^\s,\"']+")
_URL_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")
# From the first quote to the last, whatever quotes a value holds itself.
_QUOTED = re.compile(r"[\"'`].*[\"'`]|[\"'`].*", re.DOTALL)
# They quote names of our code or of files, which are no secrets and all that there is to know.
_HARMLESS = (AttributeError, ImportError, NameError, OSError)


class Json(OrjsonFormatter):
    """One JSON object a line."""

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Write the fields that we know, and no others."""
        log_data.update(fields(record))
        log_data["pid"] = record.process

    def formatException(self, ei: Any) -> str:
        """Nothing: `fields` has the stack."""
        return ""


class Text(logging.Formatter):
    """A line for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the stack below it."""
        found = fields(record)
        stack = found.pop("stack", "")
        head = " ".join(str(found.pop(name)) for name in ("time", "level", "logger", "message"))
        rest = "".join(f" {name}={value}" for name, value in found.items())
        return f"{head}{rest}\n{stack}".rstrip("\n")


class Unhandled(logging.Filter):
    """Django logs each answer that is not a success; lets through those with an exception behind."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether there is a stack to show."""
        return bool(record.exc_info)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a line says, by name."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    found = {
        "time": moment.replace("+00:00", "Z"),
        "level": record.levelname,
        "logger": record.name,
        "message": _message(record),
    }
    if present := request_id.get():
        found["request_id"] = present
    found |= {name: record.__dict__[name] for name in EXTRA if name in record.__dict__}
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        found["stack"] = "".join(_stack(error, set()))
    return found


def _message(record: logging.LogRecord) -> str:
    args = record.args
    if isinstance(args, tuple):
        args = tuple(told(each) if isinstance(each, BaseException) else each for each in args)
    try:
        text = str(record.msg) % args if args else str(record.msg)
    except (TypeError, ValueError, KeyError):
        text = str(record.msg)
    if record.name == "asyncio":
        # What follows are calls with their arguments.
        text = text.partition("\n")[0].partition("(")[0]
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and str(error):
        text = text.replace(repr(error), told(error)).replace(str(error), told(error))
    return scrub(text)


def scrub(text: str) -> str:
    """Return text without query strings, bearer tokens and passwords in URLs; always valid UTF-8."""
    text = _URL_PASSWORD.sub(r"\1…@", _BEARER.sub(r"\1…", _QUERY.sub("?…", text)))
    return text.encode("utf-8", "backslashreplace").decode()


def told(error: BaseException) -> str:
    """Return the first line of what an exception says, without the values that it quotes.

    What a database says below its first line are rows and parameters.
    """
    said = str(error)
    if not isinstance(error, _HARMLESS) and not _is_of_connecting(error):
        said = _QUOTED.sub("…", said)
    first = scrub(said.partition("\n")[0]).strip()
    diag = getattr(error, "diag", None)
    names = [getattr(diag, name, None) for name in ("sqlstate", "table_name", "constraint_name")]
    return " ".join([first, *(f"[{name}]" for name in names if name)])


def _is_of_connecting(error: BaseException) -> bool:
    # It quotes addresses, and there are no parameters yet.
    return type(error).__name__ == "OperationalError" and str(error).startswith("connection ")


def _stack(error: BaseException, seen: set[int]) -> Iterator[str]:
    """Yield where an exception and those behind it came from; never with the values of variables."""
    seen.add(id(error))
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if behind is not None and id(behind) not in seen:
        yield from _stack(behind, seen)
        yield "and then\n"
    yield from traceback.format_tb(error.__traceback__)
    kind = type(error)
    yield f"{kind.__module__}.{kind.__qualname__}: {told(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _stack(each, seen)


def configuration(*, level: str, form: str) -> dict[str, Any]:
    """Return what Django's LOGGING wants; `form` is json or text."""
    quiet = {"handlers": [], "propagate": True, "level": "WARNING"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"unhandled": {"()": "imsite.core.logs.Unhandled"}},
        "formatters": {
            "json": {"()": "imsite.core.logs.Json"},
            "text": {"()": "imsite.core.logs.Text"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": "INFO" if level == "DEBUG" else level},
        "loggers": {
            "imsite": {"level": level},
            "django.request": {"filters": ["unhandled"]},
            # They have handlers of their own, and lines that quote whole URLs.
            **dict.fromkeys(["django.server", "uvicorn", "uvicorn.error", "uvicorn.access"], quiet),
            # Anyone can make one, with a stack each time.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }
