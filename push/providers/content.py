"""What a push says, cut so that the whole of it fits its provider."""

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Any

import regex
from django.conf import settings

from push.providers.base import Push

# Bytes that FCM and APNs take, and what Web Push can carry (RFC 8291: one record of 4,096 bytes).
LONGEST = 4096
LONGEST_WEBPUSH = 3993

_ELLIPSIS = "…"
_GRAPHEME = regex.compile(r"\X")
# Makes the bytes of a push from a title and a text.
Make = Callable[[str | None, str | None], bytes]


def facts(push: Push) -> dict[str, Any]:
    """Return what every provider carries for the client itself."""
    found = {"conversation_id": push.conversation_id, "seq": push.seq, "badge": push.badge}
    return {**found, "clear": True} if push.silent else found


def shown(push: Push) -> Push:
    """Return a push whose title or text a system can show by itself, where no preview is allowed."""
    if push.title is not None or push.text is not None:
        return push
    return dataclasses.replace(push, text=settings.IM_PUSH_HIDDEN)


def seconds_left(push: Push, *, now: datetime, longest: int = 2_419_200) -> int:
    """Return for how many seconds a provider may keep it: four weeks at most."""
    return max(0, min(longest, int((push.expires_at - now).total_seconds())))


def fitted(make: Make, push: Push, *, longest: int) -> bytes:
    """Return the push in at most `longest` bytes: whole, or with its text cut, then its title.

    Texts are cut between graphemes, so that no half of an emoji or of a syllable is shown. A silent
    push says nothing.
    """
    if push.silent:
        return make(None, None)
    whole = make(push.title, push.text)
    if len(whole) <= longest:
        return whole
    text = _cut(push.text, lambda text: len(make(push.title, text)) <= longest)
    if len(make(push.title, text)) <= longest:
        return make(push.title, text)
    return make(_cut(push.title, lambda title: len(make(title, text)) <= longest), text)


def _cut(text: str | None, fits: Callable[[str], bool]) -> str | None:
    """Return the longest beginning of whole graphemes that fits with an ellipsis; the least is that."""
    if text is None:
        return None
    ends = [0, *(found.end() for found in _GRAPHEME.finditer(text))]
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if fits(text[: ends[middle]] + _ELLIPSIS):
            low = middle
        else:
            high = middle - 1
    return text[: ends[low]].rstrip() + _ELLIPSIS
