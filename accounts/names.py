"""How names are compared: without case, after NFKC; and which ones may be taken."""

import unicodedata

import regex

_USERNAME = regex.compile(r"[\p{L}\p{Nd}_.\-]{3,32}")
DELETED = "Deleted user"


def key(name: str) -> str:
    """Return the form in which two spellings of one name are equal (NFKC_Casefold, near enough)."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded)


def is_username(name: str) -> bool:
    """Say whether `name` may be a username: 3–32 letters, digits, `_ . -`, as typed and as compared."""
    return bool(_USERNAME.fullmatch(name)) and 3 <= len(key(name)) <= 64
