"""The names that people give to themselves and to groups: an app above says which of them it refuses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The conversation in which words will be read (0: one to be made), and the role of who says them."""

    conversation_id: int
    kind: str
    role: str


# Gets the words, and the place if they are of one; raises an AppError if they may not be said.
Judge = Callable[[Sequence[str], Place | None], None]
_judges: list[Judge] = []


def register(judge: Judge) -> None:
    """Add a judge to those who are asked."""
    if judge not in _judges:
        _judges.append(judge)


def check(*words: str | None, place: Place | None = None) -> None:
    """Raise what speaks against these words, if anything does; None and "" are no words."""
    said = [each for each in words if each]
    for judge in _judges if said else ():
        judge(said, place)
