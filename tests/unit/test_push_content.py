"""What a push says always fits, is cut between graphemes, and never says more than it may."""

import json
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from push.providers import apns, fcm, webhook, webpush
from push.providers.base import Push, Target

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
FAMILY = "👨‍👩‍👧‍👦"
ODD = [
    FAMILY,
    "🏳️‍🌈",
    "👍🏽",
    "é",
    "שלום ",
    "مرحبا",
    "\u202e",
    '"',
    "\\",
    "\n",
    "\x01",
    "नमस्ते",
    "각",
    "a",
    " ",
]
texts = st.one_of(
    st.lists(st.sampled_from(ODD), max_size=700).map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300),
    st.tuples(st.sampled_from(ODD), st.integers(1, 4000)).map(
        lambda pair: (pair[0] * pair[1])[:4000]
    ),
    st.integers(1, 4000).map(lambda times: "e" + "\u0301" * (times - 1)),
)
titles = st.one_of(st.none(), st.lists(st.sampled_from(ODD), max_size=40).map("".join))


def target(provider: str) -> Target:
    """Return a device with as long a token as providers give."""
    return Target(device_id=2**52, provider=provider, token="f" * 300, app="org.example.im")


def push_of(title: str | None, text: str | None, **changed) -> Push:
    """Return a push with the longest numbers there are."""
    return Push(
        conversation_id=2**52,
        seq=2**52,
        badge=2**31 - 1,
        title=title,
        text=text,
        silent=changed.get("silent", False),
        expires_at=NOW + timedelta(days=7),
    )


def _fcm(push: Push) -> tuple[int, str | None, str | None]:
    made = fcm.message(target("fcm"), push, now=NOW)
    shown = orjson.loads(made)["message"].get("notification", {})
    return len(made), shown.get("title"), shown.get("body")


def _apns(push: Push) -> tuple[int, str | None, str | None]:
    made = apns.message(push)
    shown = orjson.loads(made)["aps"].get("alert", {})
    return len(made), shown.get("title"), shown.get("body")


def _webpush(push: Push) -> tuple[int, str | None, str | None]:
    made = webpush.message(push)
    said = orjson.loads(made)
    return len(made), said["title"], said["text"]


def _webhook(push: Push) -> tuple[int, str | None, str | None]:
    said = orjson.loads(webhook.message(target("fcm"), push))
    del said["token"]
    return len(orjson.dumps(said)), said["title"], said["text"]


MAKERS = [(_fcm, 4096), (_apns, 4096), (_webpush, 3993), (_webhook, 4096)]
makers = pytest.mark.parametrize(
    ("make", "longest"), MAKERS, ids=["fcm", "apns", "webpush", "webhook"]
)

quick = settings(deadline=None, max_examples=60)


def _is_cut(told: str | None, given: str | None) -> bool:
    """Say whether a text is the given one, or whole graphemes of its beginning and an ellipsis."""
    if told == given:
        return True
    assert told is not None and given is not None and told.endswith("…")
    kept = told[:-1]
    ends = {0, *(found.end() for found in regex.finditer(r"\X", given))}
    white = len(given) - len(kept) - len(given[len(kept) :].lstrip())
    return given.startswith(kept) and any(len(kept) + more in ends for more in range(white + 1))


@makers
@quick
@given(title=titles, text=texts)
def test_it_fits_and_is_cut_between_graphemes(make, longest, title, text):
    size, told_title, told_text = make(push_of(title, text))
    assert size <= longest
    assert told_title == title
    assert _is_cut(told_text, text)


@makers
@quick
@given(text=texts)
def test_no_room_is_given_away(make, longest, text):
    size, _, told = make(push_of("Alice", text))
    if told != text and not text.isspace():
        kept = told[:-1]
        rest = text[len(kept) :].lstrip()
        following = regex.match(r"\X", rest)
        assert following
        lost = len(json.dumps(following[0], ensure_ascii=False).encode())
        white = len(text[len(kept) :]) - len(rest)
        # White space before the ellipsis is dropped, and may take six bytes a letter.
        assert size + lost + 6 * white > longest - 12


@makers
def test_a_title_beyond_all_measure_is_cut_too(make, longest):
    size, title, text = make(push_of(FAMILY * 400, FAMILY * 400))
    assert size <= longest
    assert text == "…" and title.endswith("…") and title.startswith(FAMILY * 50)


@makers
def test_a_silent_push_says_nothing_even_if_it_is_given_words(make, longest):
    assert make(push_of("a title", "a text", silent=True))[1:] == (None, None)


@makers
def test_a_short_text_is_left_alone(make, longest):
    assert make(push_of("Alice", f"See you {FAMILY}"))[1:] == ("Alice", f"See you {FAMILY}")


@given(conversation=st.integers(1, 2**53 - 1))
def test_topics_and_collapse_ids_keep_to_their_alphabets(conversation):
    push = Push(
        conversation_id=conversation,
        seq=1,
        badge=0,
        title=None,
        text=None,
        silent=False,
        expires_at=NOW,
    )
    assert regex.fullmatch(r"[A-Za-z0-9_-]{1,32}", webpush.topic(push))
    assert len(apns.about(push, now=NOW)["apns-collapse-id"].encode()) <= 64
