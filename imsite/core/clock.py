"""The only now(): UTC, cut to the milliseconds that clients see."""

from datetime import UTC, datetime
from functools import lru_cache


def now() -> datetime:
    """Return the present time, aware, in whole milliseconds."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


# Messages of one commit share one time.
@lru_cache(maxsize=1024)
def wire(moment: datetime) -> str:
    """Return a time as the API writes it: `2026-11-23T14:50:00.123Z`."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def wire_or_none(moment: datetime | None) -> str | None:
    """Return a time as the API writes it, or None for none."""
    return None if moment is None else wire(moment)
