"""The registry of kinds: what people may send, and what a glance shows of it."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from imsite.core.errors import InvalidRequest
from messages import kinds
from messages.kinds import KINDS

EVENTS = {
    "created",
    "recall",
    "edit",
    "reaction",
    "pin",
    "member_joined",
    "member_left",
    "member_removed",
    "role_changed",
    "title_changed",
    "announcement",
    "dissolved",
}
SENT = {
    "text",
    "image",
    "video",
    "voice",
    "file",
    "location",
    "link",
    "sticker",
    "red_packet",
    "card",
    "custom",
}
GOOD = [
    ("text", "hi", None),
    ("text", "x" * 4000, None),
    ("text", " \n kept \t", None),
    ("location", None, {"lat": -90, "lon": 180.0}),
    ("location", "here", {"lat": 1.5, "lon": 2, "label": None}),
    ("link", None, {"url": "https://例子.cn/路?q=1#x"}),
    ("link", None, {"url": "HTTP://host:8080", "title": "t", "memo": "", "pic": "http://a/b.png"}),
    ("sticker", None, {"pack": "cats", "name": "grin"}),
    ("red_packet", None, {"amount": "0.01", "memo": "luck"}),
    ("red_packet", None, {"amount": "1234567890.12"}),
    ("red_packet", None, {"amount": "123456789012"}),
    ("card", None, {"user_id": 7}),
    ("custom", "fallback", {}),
    ("custom", "fallback", {"a": [1, 2.5, None, {"b": "c"}]}),
]
BAD = [
    ("text", None, None, "text"),
    ("text", "", None, "text"),
    ("text", " \u200b\u2800\ufeff", None, "text"),
    ("text", "x" * 4001, None, "text"),
    ("text", "hi", {}, "body"),
    ("image", None, {"media_id": 1}, "body.media_id"),
    ("voice", None, {}, "body.media_id"),
    ("location", None, None, "body"),
    ("location", "", {"lat": 1, "lon": 2}, "text"),
    ("location", None, {"lat": True, "lon": 2}, "body.lat"),
    ("location", None, {"lat": "1", "lon": 2}, "body.lat"),
    ("location", None, {"lat": 90.0001, "lon": 2}, "body.lat"),
    ("location", None, {"lat": 1, "lon": -180.5}, "body.lon"),
    ("location", None, {"lat": 1, "lon": 2, "alt": 3}, "body.alt"),
    ("link", None, {"url": "ftp://a/b"}, "body.url"),
    ("link", None, {"url": "javascript:alert(1)"}, "body.url"),
    ("link", None, {"url": "http://"}, "body.url"),
    ("link", None, {"url": "http:///path"}, "body.url"),
    ("link", None, {"url": "/relative"}, "body.url"),
    ("link", None, {"url": "http://a b/"}, "body.url"),
    ("link", None, {"url": "http://good\\@evil/"}, "body.url"),
    ("link", None, {"url": "http://a:99999/"}, "body.url"),
    ("link", None, {"url": "http://a/" + "x" * 2000}, "body.url"),
    ("link", None, {"url": "http://a", "pic": "data:image/png;base64,"}, "body.pic"),
    ("sticker", None, {"pack": "cats"}, "body.name"),
    ("sticker", None, {"pack": "cats", "name": " "}, "body.name"),
    ("card", None, {"user_id": "7"}, "body.user_id"),
    ("card", None, {"user_id": 0}, "body.user_id"),
    ("custom", None, {"a": 1}, "text"),
    ("custom", "x", None, "body"),
    ("custom", "x", {"a": "b" * 4096}, "body"),
    ("nothing", "x", None, "kind"),
    *((name, "x", {}, "kind") for name in sorted(EVENTS)),
]
AMOUNTS = ["0", "0.00", "-1", "+1", "1e3", "01", ".5", "1.", "1.234", "1,5", "", " 1", "\u0661"]
AMOUNTS += ["1234567890123", "12345678901.12", "NaN", "1_000"]


def nested(levels: int) -> dict:
    return {"a": nested(levels - 1)} if levels > 1 else {}


def test_it_knows_exactly_the_kinds_of_the_contract():
    assert {name for name, kind in KINDS.items() if kind.by_people} == SENT
    assert {name for name, kind in KINDS.items() if not kind.by_people} == EVENTS
    assert {name for name, kind in KINDS.items() if kind.counts} == SENT
    assert sorted(kinds.CHANGES) == ["edit", "pin", "reaction", "recall"]


@pytest.mark.parametrize(("kind", "text", "body"), GOOD)
def test_it_takes(kind, text, body):
    kinds.check(kind, text, body)


@pytest.mark.parametrize(("kind", "text", "body", "field"), BAD)
def test_it_refuses_and_names_the_field(kind, text, body, field):
    with pytest.raises(InvalidRequest) as caught:
        kinds.check(kind, text, body)
    assert field in caught.value.data["fields"]


@pytest.mark.parametrize("amount", [*AMOUNTS, 5, 5.0, None])
def test_it_refuses_an_amount_that_is_no_plain_decimal(amount):
    with pytest.raises(InvalidRequest) as caught:
        kinds.check("red_packet", None, {"amount": amount})
    assert set(caught.value.data["fields"]) == {"body.amount"}


def test_it_takes_a_custom_body_of_eight_levels_and_not_of_nine():
    kinds.check("custom", "x", nested(8))
    with pytest.raises(InvalidRequest):
        kinds.check("custom", "x", nested(9))


def test_it_tells_all_problems_at_once():
    with pytest.raises(InvalidRequest) as caught:
        kinds.check("location", " ", {"lat": 91, "x": 1})
    assert set(caught.value.data["fields"]) == {"text", "body.lat", "body.lon", "body.x"}


def test_it_takes_an_edited_item_whose_empty_body_was_left_out():
    kinds.check_item({"kind": "custom", "text": "x"})
    with pytest.raises(InvalidRequest):
        kinds.check_item({"kind": "location", "text": "x"})


PREVIEWS = [
    ("text", "hi", None, "hi"),
    ("location", None, {"lat": 1, "lon": 2}, "[location]"),
    ("location", None, {"lat": 1, "lon": 2, "label": " "}, "[location]"),
    ("location", None, {"lat": 1, "lon": 2, "label": "Pier 9"}, "Pier 9"),
    ("location", "meet me", {"lat": 1, "lon": 2, "label": "Pier 9"}, "meet me"),
    ("link", None, {"url": "http://a", "title": None, "memo": "m"}, "m"),
    ("red_packet", None, {"amount": "5"}, "[red packet]"),
    ("custom", "fallback", {"title": "hidden"}, "fallback"),
    ("voice", None, {"media_id": 1, "name": "a.ogg"}, "[voice]"),
    ("recall", None, {"target": 1}, None),
]


@pytest.mark.parametrize(("kind", "text", "body", "shown"), PREVIEWS)
def test_it_shows_at_a_glance(kind, text, body, shown):
    assert KINDS[kind].preview(text, body) == shown
    assert KINDS[kind].push(text, body) == shown


@given(st.text(alphabet=st.sampled_from("ae\u0301👩\u200d🇩🇪👍\U0001f3fd\r\nक्ष"), max_size=500))
def test_it_cuts_previews_between_graphemes(text):
    shown = KINDS["text"].preview(text, None) or ""
    assert text.startswith(shown)
    assert len(shown) <= kinds.GLANCE
    whole = regex.findall(r"\X", text)
    if all(len(grapheme) <= kinds.GLANCE for grapheme in whole):
        taken = regex.findall(r"\X", shown)
        assert taken == whole[: len(taken)]
        assert len(taken) == len(whole) or len(shown) + len(whole[len(taken)]) > kinds.GLANCE


def test_it_cuts_a_grapheme_that_is_longer_than_all_there_is():
    assert kinds.cut("a" + "\u0301" * 300) == "a" + "\u0301" * 199


@pytest.mark.parametrize("emoji", ["👍", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪", "❤️", "1️⃣", "+"])
def test_it_takes_one_grapheme_as_an_emoji(emoji):
    kinds.check_emoji(emoji)


@pytest.mark.parametrize("emoji", ["", " ", "\u200d", "👍👍", "ok", "e" + "\u0301" * 16])
def test_it_refuses_any_other_emoji(emoji):
    with pytest.raises(InvalidRequest) as caught:
        kinds.check_emoji(emoji)
    assert set(caught.value.data["fields"]) == {"emoji"}
