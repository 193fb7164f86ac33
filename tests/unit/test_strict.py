"""Queries are read alike, the plain ones quickly and all others by the book."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imsite.core import strict
from imsite.core.errors import InvalidRequest

# What a query is made of, and what has a meaning of its own in it.
PIECES = st.sampled_from(
    ["a", "b", "cursor", "=", "=", "&", "&", "1", ";", "+", "%", "%41", "\x00"]
)
ODD = st.characters(max_codepoint=255)


def told(parse, raw: str) -> object:
    """Return what it parses, or how it refuses."""
    try:
        return parse(raw)
    except InvalidRequest as refusal:
        return str(refusal)


@given(st.lists(PIECES | ODD, max_size=12).map("".join))
def test_the_quick_way_reads_what_the_long_one_does(raw):
    assert told(strict.parse_query, raw) == told(strict._parsed, raw)


@pytest.mark.parametrize("count", [99, 100, 101])
def test_it_reads_a_hundred_fields(count):
    raw = "&".join(f"f{n}={n}" for n in range(count))
    assert told(strict.parse_query, raw) == told(strict._parsed, raw)
    assert isinstance(told(strict.parse_query, raw), dict) == (count <= 100)
