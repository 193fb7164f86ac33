"""Shows text that strangers wrote: whatever it holds, it changes nothing around it and hides nothing.

Escaping is the templates'. Here text loses what escaping does not touch: signs that turn the order
of letters around, terminal codes, marks heaped upon one letter, and length.
"""

import regex
from django.utils.html import format_html
from django.utils.safestring import SafeString

# All that has no look of its own, but for line ends and the joiners that Persian and emojis need.
_UNSEEN = regex.compile(r"(?V1)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u2800\u3164--[\n\u200c\u200d]]")
_GRAPHEMES = regex.compile(r"\X")
# Code points of one grapheme: a family of emojis has eleven, a heap of marks thousands.
_TALLEST = 12
DEFAULT_LIMIT = 200
# Texts that may be longer than this are given room in a table.
_NARROW = 100


def tame(value: object, limit: int = DEFAULT_LIMIT) -> str:
    """Return at most `limit` graphemes of a text, with what cannot be seen named: `⟦202E⟧`."""
    kept: list[str] = []
    for found in _GRAPHEMES.finditer(str(value).replace("\r\n", "\n")):
        if len(kept) == limit:
            kept.append("…")
            break
        whole = found[0]
        kept.append(whole if len(whole) <= _TALLEST else whole[:_TALLEST] + "…")
    named: str = _UNSEEN.sub(lambda sign: f"⟦{ord(sign[0]):04X}⟧", "".join(kept))
    return named


def text(value: object, limit: int = DEFAULT_LIMIT) -> SafeString:
    """Return the same as HTML, its direction kept to itself."""
    wide = " wide" if limit > _NARROW else ""
    return format_html('<bdi class="said{}">{}</bdi>', wide, tame(value, limit))
