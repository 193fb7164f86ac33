"""Content rules against a naive reference: folding, phrases, masks, links, patterns."""

import re
import time
import unicodedata

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from messages.policy import links, patterns
from messages.policy.folding import Tracing, fold, masked
from messages.policy.phrases import BadLine, Phrase, Phrases
from messages.policy.ruleset import Rule, Ruleset

_GRAPHEME = regex.compile(r"\X")
_UNSEEN = regex.compile(
    r"(?V1)[[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}]--[\t\n\v\f\r\x1c-\x1f\x85]]"
)
_PILED = regex.compile(r"(?V1)[[\p{M}&&\p{Script=Inherited}]\p{Me}]")
_WORD = regex.compile(
    r"(?V1)[[\p{L}\p{N}\p{M}_]--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]"
)
# Turkish i, Greek sigma, sharp s, ligatures, jamo whole and half-width, Han, emoji with joiners and
# tones, flags, marks piled up and marks that compose, spaces of all sorts and what cannot be seen.
ODD = st.sampled_from(
    list("aAbBeEiIıİſßσςΣKÅéÉﬁ①ｅ. 。．\t\n\r\u00a0\u2028\u200b\u200d\ufe0f\u00ad\u034f*")
    + list(
        "\u0301\u0307\u0323\u0337\u0345\u20e3가각ㄱ각ﾡￂ\uff9e\u3099かガक्षि\u093c\u094d汉字坏ไท\u115f\u3164ΐ"
    )
    + list("，！？：；。＝\u0338йЙёЁ\u0306İ")
    + ["👍🏽", "👩‍👩‍👧", "🇩🇪", "❤️", "\r\n", "bad", "BÄD", "坏话", "σας", "İstanbul"]
)
TEXT = st.lists(ODD | st.characters(exclude_categories=["Cs"]), max_size=14).map("".join)


def naive_fold(text: str) -> str:
    """The definition, one step after the other."""
    seen = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold()
    seen = _PILED.sub("", unicodedata.normalize("NFKC", seen))
    return re.sub(r"\s+", " ", seen)


def naive_find(line: str, folded: str) -> set[tuple[int, int]]:
    """Look at every place of a text for a phrase."""
    bare = line.strip()
    words = naive_fold(bare.strip("*")).strip()
    found = set()
    for start in range(len(folded)):
        end = start + len(words)
        if folded[start:end] != words or not words:
            continue
        cut_left = start > 0 and _WORD.match(folded[start - 1]) and _WORD.match(folded[start])
        cut_right = end < len(folded) and _WORD.match(folded[end - 1]) and _WORD.match(folded[end])
        if (bare.startswith("*") or not cut_left) and (bare.endswith("*") or not cut_right):
            found.add((start, end))
    return found


def readable(line: str) -> bool:
    try:
        Phrase.read(line)
    except BadLine:
        return False
    return True


LINES = st.lists(
    st.tuples(st.sampled_from(["", "*"]), TEXT, st.sampled_from(["", "*"]))
    .map("".join)
    .filter(readable),
    min_size=1,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(TEXT)
@example("e\u200b\u0301")
@example("ﾡￂ\u11a8")
def test_folding_is_its_definition(text):
    assert fold(text) == naive_fold(text)
    assert Tracing(text).folded == naive_fold(text)


@pytest.mark.parametrize("plane", range(3))
def test_each_character_folds_between_others_as_the_definition_says(plane):
    """The quick ways of folding are taken or not because of single characters: here is each of them."""
    step = 1 if plane == 0 else 7
    points = range(plane << 16, (plane + 1) << 16, step)
    every = [chr(n) for n in points if not 0xD800 <= n < 0xE000]
    assert not [c for c in every if fold(f"Й{c}b") != naive_fold(f"Й{c}b")]


@settings(max_examples=300, deadline=None)
@given(LINES, TEXT, st.data())
def test_phrases_are_found_where_a_look_at_every_place_finds_them(lines, text, data):
    if data.draw(st.booleans()):
        text += data.draw(st.sampled_from(lines)).strip("*") + data.draw(TEXT)
    folded = fold(text)
    found = Phrases([(0, [Phrase.read(each) for each in lines])]).find(folded)
    wanted = set().union(*(naive_find(each, folded) for each in lines))
    assert {(start, end) for _, start, end in found} == wanted


@settings(max_examples=300, deadline=None)
@given(LINES, TEXT, st.data())
def test_a_mask_keeps_the_graphemes_and_shows_nothing_of_what_was_found(lines, text, data):
    text += data.draw(st.sampled_from(lines)).strip("*") + data.draw(TEXT)
    rule = Rule(id=1, name="m", kind="phrases", action="mask", patterns="\n".join(lines))
    ruleset = Ruleset([rule])
    shown = ruleset._mask(text, frozenset([rule]))
    graphemes, kept = _GRAPHEME.findall(text), _GRAPHEME.findall(shown)
    assert len(kept) == len(graphemes)
    assert all(new in (old, "*") for old, new in zip(graphemes, kept, strict=True))
    traced = Tracing(text)
    for _, start, end in ruleset._phrases.find(traced.folded):
        low, high = traced.source(start, end)
        # Each grapheme whose letters were found is hidden: what is left of it cannot be seen.
        at = 0
        for old, new in zip(graphemes, kept, strict=True):
            if low <= at and at + len(old) <= high:
                assert new == "*" or not fold(new).strip()
            at += len(old)
    if not ruleset.judge("text", text, None):
        assert shown == text


@given(TEXT, st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=4))
def test_masks_of_any_spans_keep_the_graphemes(text, spans):
    shown = masked(text, [(start, start + length) for start, length in spans if length])
    assert len(_GRAPHEME.findall(shown)) == len(_GRAPHEME.findall(text))


@pytest.mark.parametrize(
    ("line", "text", "hit"),
    [
        ("cat", "A CAT!", True),
        ("cat", "concatenate", False),
        ("cat*", "category", True),
        ("cat*", "bobcat", False),
        ("*cat", "bobcat", True),
        ("*cat*", "concatenate", True),
        ("bad word", "BAD \n\u00a0 WORD", True),
        ("坏", "这是坏话", True),
        ("istanbul", "İSTANBUL", True),
        ("ΣΑΣ", "σας", True),
        ("strasse", "STRAẞE", True),
        ("e", "é", False),
        ("bad", "b\u0337a\u0337d\u0337", True),
        ("bad", "b\u200da\u00add", True),
        ("bad", "ⓑⓐⓓ", True),
        ("👍", "ok👍🏽", True),
        ("caf\u00e9", "CAFE\u0301", True),
    ],
)
def test_what_a_phrase_means(line, text, hit):
    assert bool(list(Phrases([(0, [Phrase.read(line)])]).find(fold(text)))) is hit


DOMAIN = links.Domains([(0, ["evil.com"]), (1, [links.read("*.bücher.example")])])


@pytest.mark.parametrize(
    "text",
    """evil.com
    see http://EVIL.com/x?y#z
    sub.evil.com
    https://good.com@evil.com/
    https://a:b@evil.com:8080
    http://evil.com,me@good.com
    (http://evil.com)
    [x](https://evil.com)
    http:\\\\evil.com
    https:evil.com
    hxxp://evil.com
    //evil.com/x
    http://xn--bcher-kva.example/
    https://www.BÜCHER.example
    ｅｖｉｌ．ｃｏｍ
    evil。com
    请看evil.com谢谢
    보세요evil.com에서
    evil.com.
    http://evil%2ecom
    http://%65vil.com
    https://r.com/?u=https%3A%2F%2Fevil.com%2Fx
    http://r.com/https://evil.com
    me@evil.com
    e\u200bvil.com
    “evil.com”
    _evil.com_
    ⓔvil.com""".splitlines(),
)
def test_a_link_is_found_however_it_is_written(text):
    assert list(DOMAIN.find(fold(text)))


@pytest.mark.parametrize(
    "text",
    """notevil.com
    http://notevil.com/
    not-evil.com
    evil.community
    evil.com.good.com
    https://evil.com@good.com/
    https://evil.com:x@good.com/
    evil.com@good.com
    https://good.com/evil.com
    https://good.com#@evil.com
    https://good.com/?@evil.com
    https://good.com\\@evil.com
    ñevil.com
    evil com
    xn--evil.com
    evil.org""".splitlines(),
)
def test_another_host_is_no_false_hit(text):
    assert not list(DOMAIN.find(fold(text)))


@pytest.mark.parametrize("line", ["", "*.", "a b.com", "http://evil.com", "x" * 300, "..", "a..b"])
def test_what_is_no_domain_is_refused(line):
    with pytest.raises(BadLine):
        links.read(line)


@pytest.mark.parametrize(
    "line", ["(", "(?=x)", r"(a)\1", "a*", "", "x{1001}", "(x{30}){30}{3}", "y" * 501, "[z-a]"]
)
def test_a_pattern_that_would_cost_or_hit_too_much_is_refused(line):
    with pytest.raises(BadLine):
        patterns.read(line)


@pytest.mark.parametrize(
    "text", ["a" * 4000 + "b", "a." * 2000, "http:" * 800, "%2e" * 1300 + ".x"]
)
def test_no_text_takes_long(text):
    """Patterns and texts at which an engine that goes back would stand still."""
    rules = [
        Rule(
            id=1, name="r", kind="regex", action="reject", patterns="(a+)+$x\n(a|aa)+c\n.*.*.*=.*y"
        ),
        Rule(id=2, name="d", kind="domains", action="reject", patterns="evil.com"),
        Rule(id=3, name="p", kind="phrases", action="reject", patterns="*" + "a" * 200 + "c*"),
    ]
    ruleset = Ruleset(rules)
    began = time.thread_time()
    ruleset.judge("text", text, None)
    assert time.thread_time() - began < 0.25


def test_a_pattern_sees_the_text_as_sent_and_as_folded():
    rule = Rule(id=1, name="r", kind="regex", action="mask", patterns="buy\\s+now\nß{2}")
    ruleset = Ruleset([rule])
    for text, shown in [
        ("please BUY \u200b now!", "please ****\u200b****!"),
        ("ßß", "**"),
        ("ｂｕｙ　ｎｏｗ", "*******"),
    ]:
        assert ruleset.judge("text", text, None) == (rule,)
        assert ruleset.masked("text", text, None, [rule]) == (shown, None)
