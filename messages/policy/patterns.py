"""Regular expressions whose time is bounded: RE2 never goes back, whatever the pattern and the text."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import re2

from messages.policy.phrases import BadLine, Found

LONGEST = 500
# Instructions of a compiled pattern: a text costs at most so many steps a character.
LARGEST = 1_000
_MEMORY = 1 << 20


def read(line: str) -> Any:
    """Return a compiled pattern; raise BadLine if RE2 cannot take it, or it would hit anything."""
    if len(line) > LONGEST:
        raise BadLine(f"more than {LONGEST} characters")
    options = re2.Options()
    options.case_sensitive, options.log_errors, options.max_mem = False, False, _MEMORY
    try:
        found = re2.compile(line, options)
    except re2.error as error:
        told = error.args[0] if error.args else "not a regular expression"
        text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
        raise BadLine(text) from None
    if max(found.programsize, found.reverseprogramsize) > LARGEST:
        raise BadLine("too large once its repetitions are written out")
    if found.search(""):
        raise BadLine("matches the empty text, so it would hit every message")
    return found


class Patterns:
    """All patterns of all rules."""

    def __init__(self, lists: Iterable[tuple[int, Sequence[Any]]]) -> None:
        self._lists = [(rule, each) for rule, found in lists for each in found]

    def hit(self, text: str) -> Iterator[int]:
        """Yield the rules of which a pattern matches somewhere."""
        for rule, each in self._lists:
            if each.search(text):
                yield rule

    def find(self, text: str) -> Iterator[Found]:
        """Yield (rule, start, end) for each match that has a length."""
        for rule, each in self._lists:
            for found in each.finditer(text):
                if found.end() > found.start():
                    yield rule, found.start(), found.end()
