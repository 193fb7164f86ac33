"""What apps add to pages that are not theirs: tiles of the dashboard, panels about a person."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure of the dashboard; in red when it wants somebody's attention."""

    title: str
    value: str
    note: str = ""
    alarm: bool = False
    url: str = ""


def queue_tile(
    title: str, count: int, oldest: datetime | None, *, late: timedelta, now: datetime, url: str
) -> Tile:
    """Return how many wait, counted up to a hundred, and for how long the oldest does; red when late."""
    waited = None if oldest is None else now - oldest
    return Tile(
        title=title,
        value="100+" if count > 100 else str(count),
        note=""
        if waited is None
        else f"the oldest waits for {int(waited.total_seconds() // 3600)} h",
        alarm=waited is not None and waited > late,
        url=url,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A table about a person; cells are text, shown as hostile, or HTML that was made safe."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    # Said below: that there is more, or what the figures mean.
    note: str = ""
    url: str = ""


@dataclass(slots=True)
class Registry:
    """What was registered: who may see it, and what makes it."""

    makers: list[tuple[str, Callable[..., Any]]] = field(default_factory=list)

    def register(self, permission: str, make: Callable[..., Any]) -> None:
        """Add what whoever has `permission` sees (`""`: all staff), behind what is there."""
        if (permission, make) not in self.makers:
            self.makers.append((permission, make))

    def seen_by(self, user: Any, *about: Any, now: datetime) -> list[Any]:
        """Return what this member of staff sees, made now."""
        return [
            make(*about, now=now)
            for permission, make in self.makers
            if not permission or user.has_perm(permission)
        ]


# Makers are called with `now`, and those of panels with the id of the person before it.
tiles = Registry()
panels = Registry()
