"""Phrases: finds any of thousands in one pass over a text (Aho-Corasick), as words or inside them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import ahocorasick

from messages.policy.folding import ends_word, fold

LONGEST = 200
Found = tuple[int, int, int]


class BadLine(ValueError):
    """A line of a rule cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Folded words, and whether letters may stand before and after them."""

    words: str
    open_left: bool
    open_right: bool

    @classmethod
    def read(cls, line: str) -> "Phrase":
        """Return the phrase in a line: `cat`, `cat*` (begins a word), `*cat*` (anywhere)."""
        bare = line.strip()
        left, right = bare.startswith("*"), bare.endswith("*")
        words = fold(bare.strip("*")).strip()
        if not words:
            raise BadLine("nothing in it can be seen")
        if len(words) > LONGEST:
            raise BadLine(f"more than {LONGEST} characters")
        return cls(words, left, right)


class Phrases:
    """All phrases of all rules, ready to be looked for."""

    def __init__(self, lists: Iterable[tuple[int, Sequence[Phrase]]]) -> None:
        self._words = ahocorasick.Automaton()
        asked: dict[str, list[tuple[int, bool, bool]]] = {}
        for rule, phrases in lists:
            for each in phrases:
                asked.setdefault(each.words, []).append((rule, each.open_left, each.open_right))
        for words, who in asked.items():
            self._words.add_word(words, (len(words), tuple(dict.fromkeys(who))))
        self._any = bool(asked)
        if asked:
            self._words.make_automaton()

    def find(self, folded: str) -> Iterator[Found]:
        """Yield (rule, start, end) for each place of folded text where a phrase stands."""
        if not self._any:
            return
        for last, (length, who) in self._words.iter(folded):
            start, end = last + 1 - length, last + 1
            for rule, open_left, open_right in who:
                if (open_left or ends_word(folded, start)) and (
                    open_right or ends_word(folded, end)
                ):
                    yield rule, start, end
