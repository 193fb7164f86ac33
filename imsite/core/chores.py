"""What has to be done again and again because it grows older: each app registers its own at start-up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from imsite.core import clock
from imsite.core.pace import Pace


@dataclass(slots=True)
class Done:
    """What a run took away, by kind, and whether something is left that should have gone."""

    gone: dict[str, int] = field(default_factory=dict)
    left: bool = False

    def count(self, kind: str, number: int) -> None:
        """Add to what went."""
        if number:
            self.gone[kind] = self.gone.get(kind, 0) + number


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """What a run would take away: how many of a kind (`Done.gone` would say as many), and by which rule."""

    kind: str
    number: int
    rule: str


def before(moment: datetime, **knobs: object) -> str:
    """Return a rule in words: what is older than a moment, which these knobs make."""
    named = ", ".join(f"{name} {value}" for name, value in knobs.items())
    return f"before {clock.wire(moment)}" + (f" ({named})" if named else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chore:
    """A kind of tidying: `run` does it, as often as one likes; `survey` only tells what it would do."""

    name: str
    run: Callable[[datetime, Pace], Done]
    survey: Callable[[datetime], list[Due]]


_chores: dict[str, Chore] = {}


def register(chore: Chore) -> None:
    """Add a chore."""
    _chores[chore.name] = chore


def named(name: str) -> Chore:
    """Return the chore of this name."""
    return _chores[name]


def names() -> list[str]:
    """Return the names of all chores."""
    return sorted(_chores)
