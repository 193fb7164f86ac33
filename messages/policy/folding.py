"""Text as content rules see it: compatibility forms, case and what cannot be seen are taken away.

Two texts that look alike to a reader fold alike: full-width and styled letters, capitals, ligatures,
soft hyphens and joiners between letters, accents piled onto letters that do not carry them, and any
run of spaces. What tells languages apart stays: é is not e, й is not и.
"""

import re
import sys
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from unicodedata import is_normalized, normalize

import regex

# Spaces count; every other control, and what Unicode calls ignorable or a format, cannot be seen.
_UNSEEN = regex.compile(
    r"(?V1)[[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}]--[\t\n\v\f\r\x1c-\x1f\x85]]+"
)
# Marks of no script of its own, and those that enclose, after composition took what belongs to letters.
_PILED = regex.compile(r"(?V1)[[\p{M}&&\p{Script=Inherited}]\p{Me}]+")
_SPACES = re.compile(r"\s+")
_GRAPHEME = regex.compile(r"\X")
# What may compose with the character before it, or change places with its neighbours.
_JOINS = regex.compile(r"[\p{M}\p{Grapheme_Cluster_Break=V}\p{Grapheme_Cluster_Break=T}]")
# A grapheme that is one of these keeps the next from joining the one before.
_BREAKS = regex.compile(
    r"[\p{Grapheme_Cluster_Break=Control}\p{Grapheme_Cluster_Break=CR}\p{Grapheme_Cluster_Break=LF}]+"
)
_NEVER = (sys.maxsize, sys.maxsize)
# No folded text has a NUL.
_JOINING = "\0"

# Scripts that put no spaces between words: a phrase may begin and end anywhere in them.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = regex.compile(rf"(?V1)[[\p{{L}}\p{{N}}\p{{M}}_]--[{UNSPACED}]]")


class _Alone(dict[str, str]):
    """What each character folds to by itself; NUL for one whose neighbours have a say in it."""

    def __missing__(self, character: str) -> str:
        joins = _JOINS.match(normalize("NFKD", character)) and not _UNSEEN.match(character)
        found = self[character] = _JOINING if joins else _whole(character)
        return found


# Some characters are met again and again; all of Unicode would be a hundred megabytes.
_MOST_ALONE = 50_000
_alone = _Alone()
# Signs of Chinese and Japanese text that are known by another form, but join with nothing.
_WIDE = tuple(zip("，！？：；", ",!?:;", strict=True))


@cache
def _marked() -> "re.Pattern[str]":
    """Return what finds a character that folding takes away, or whose look-up would cost.

    The library of this module knows characters by their properties, Python's own finds those of the
    lowest plane in a fifth of the time: so they are asked for once, in 20 ms. Of what lies above, only
    emojis are common enough to be worth it.
    """
    every = "".join(map(chr, range(0x10000)))
    found = {*"".join(_UNSEEN.findall(every)), *"".join(_PILED.findall(every))}
    found |= {*"".join(_SPACES.findall(every))} - {" "}
    return re.compile(f"[{re.escape(''.join(found))}\U00010000-\U0001efff\U00020000-\U0010ffff]")


def fold(text: str) -> str:
    """Return the text in the form in which phrases are compared."""
    if text.isascii() and text.isprintable():
        folded = text.lower()
    elif (easy := _by_case(text)) is not None:
        folded = easy
    else:
        # Accents written apart, as some keyboards do, mostly compose.
        composed = normalize("NFC", text)
        folded = (_by_case(composed) if composed != text else None) or _by_hand(text, composed)
    return _SPACES.sub(" ", folded) if "  " in folded else folded


def _by_case(text: str) -> str | None:
    """Return what folding makes of a text of which nothing but case has to change, else None."""
    for wide, usual in _WIDE:
        text = text.replace(wide, usual)
    folded = text.casefold()
    plain = is_normalized("NFKC", text) and is_normalized("NFKC", folded)
    return folded if plain and not _marked().search(folded) else None


def _by_hand(text: str, composed: str) -> str:
    found = _one_by_one(text)
    if _JOINING in found:
        found = _one_by_one(composed)
    return _whole(text) if _JOINING in found else found


def _one_by_one(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text.lower()
    if len(_alone) > _MOST_ALONE:
        _alone.clear()
    return "".join(map(_alone.__getitem__, text))


def _whole(text: str) -> str:
    seen = normalize("NFKC", _UNSEEN.sub("", text)).casefold()
    # Case folding takes some letters apart, and composition can meet them anew.
    return _SPACES.sub(" ", _PILED.sub("", normalize("NFKC", seen)))


def ends_word(text: str, place: int) -> bool:
    """Say whether a word of folded text may end, or begin, between `place - 1` and `place`."""
    if place <= 0 or place >= len(text):
        return True
    before, after = text[place - 1], text[place]
    return not (_LETTER.match(before) and _LETTER.match(after))


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring graphemes that fold together: [start, end) of the text, and where that is folded.

    What folds to nothing and follows lies in `end` to the next piece's start.
    """

    start: int
    end: int
    folded: int


class Tracing:
    """A text cut into pieces that fold each by itself, so that places in the fold lead back."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: list[Piece] = []
        self.folded = ""
        self._cut()
        self._places = [piece.folded for piece in self.pieces]

    def _cut(self) -> None:
        """Join a grapheme to the piece before it wherever they would not fold apart."""
        parts: list[str] = []
        start, end, whole, told, at = 0, 0, "", "", 0
        for found in _GRAPHEME.finditer(self.text):
            own, joined = _beside(whole, told, found[0])
            if told and own and joined == told + own:
                self.pieces.append(Piece(start, end, at))
                parts.append(told)
                at += len(told)
                whole, told = "", ""
                joined = own
            if not told:
                start = found.start()
            if joined != told:
                end = found.end()
            whole, told = whole + found[0], joined
        if told:
            self.pieces.append(Piece(start, end, at))
            parts.append(told)
        self.folded = "".join(parts)

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the text that [start, end) of the fold came from: whole graphemes."""
        first = self.pieces[bisect_right(self._places, start) - 1]
        last = self.pieces[bisect_right(self._places, end - 1) - 1]
        return first.start, last.end


def _beside(whole: str, told: str, grapheme: str) -> tuple[str, str]:
    """Return what a grapheme folds to alone, and behind `whole`, which folds to `told`."""
    own = _one_by_one(grapheme)
    if _JOINING in own or "  " in told[-1:] + own:
        return fold(grapheme), fold(whole + grapheme)
    return own, told + own


def masked(text: str, spans: list[tuple[int, int]]) -> str:
    """Return the text with a * for each grapheme that one of the spans touches; what breaks lines stays."""
    out: list[str] = []
    coming = iter(sorted(spans))
    start, end = next(coming, _NEVER)
    for found in _GRAPHEME.finditer(text):
        while end <= found.start():
            start, end = next(coming, _NEVER)
        hidden = start < found.end() and not _BREAKS.fullmatch(found[0])
        out.append("*" if hidden else found[0])
    return "".join(out)
