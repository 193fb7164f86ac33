"""Laws of content rules over every way in: what a send may not say, no edit, batch or socket says."""

import uuid
from queue import SimpleQueue

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.callers import Caller
from imsite.core.errors import AppError
from messages import frames
from messages.policy.folding import fold
from tests.cast import Person, Talk, talk_of
from tests.rules import ruled

PIECES = [
    "bad", "BAD", "b\u200bad", "ｂａｄ", "ba\u0337d", "bä d", "abadb", "bad.com", "http://bad.example/x",
    "坏话", "不坏", "İ", "σας", "👍🏽", " ", "\n", ".", "é", "e\u0301", "x" * 30,
]  # fmt: skip
TEXT = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join).filter(str.strip)
RULES = [
    {"kind": "phrases", "patterns": "bad\n坏\nσασ"},
    {"kind": "regex", "patterns": "b.d\nx{25,}"},
    {"kind": "domains", "patterns": "bad.example\nbad.com"},
]


def cast() -> tuple[Person, Talk]:
    """One pair for all examples: a person costs a password hash."""
    if not _cast:
        alice = Person.new("law")
        _cast.append((alice, talk_of(alice, Person.new("law"))))
    return _cast[0]


_cast: list[tuple[Person, Talk]] = []


def by_post(alice: Person, talk: Talk, text: str) -> bool:
    message = {"client_id": str(uuid.uuid4()), "text": text}
    return alice.request("POST", f"{talk.path}/messages", message).json()["code"] == 0


def by_batch(alice: Person, talk: Talk, text: str) -> bool:
    item = {"conversation_id": talk.id, "client_id": str(uuid.uuid4()), "text": text}
    return alice.post("messages", {"items": [item]})["items"][0]["ok"]


def by_socket(alice: Person, talk: Talk, text: str) -> bool:
    caller = Caller(alice.id, alice.device_id, 0)
    answers: SimpleQueue = SimpleQueue()
    message = {"client_id": str(uuid.uuid4()), "text": text}
    try:
        frames.send(caller, talk.id, message, answers.put)
    except AppError:
        return False
    return not isinstance(answers.get(timeout=15), AppError)


def by_edit(alice: Person, talk: Talk, text: str) -> bool:
    seq = talk.say(alice, "fine")["seq"]
    edit = {"text": text}
    return alice.request("POST", f"{talk.path}/messages/{seq}/edit", edit).json()["code"] == 0


def by_caption(alice: Person, talk: Talk, text: str) -> bool:
    body = {"url": "https://fine.example/", "memo": text}
    message = {"client_id": str(uuid.uuid4()), "kind": "link", "body": body}
    return alice.request("POST", f"{talk.path}/messages", message).json()["code"] == 0


def by_custom(alice: Person, talk: Talk, text: str) -> bool:
    body = {"deep": [{"er": [text]}]}
    message = {"client_id": str(uuid.uuid4()), "kind": "custom", "text": "ok", "body": body}
    return alice.request("POST", f"{talk.path}/messages", message).json()["code"] == 0


WAYS = [by_post, by_batch, by_socket, by_edit, by_caption, by_custom]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXT, st.sampled_from(RULES))
def test_every_way_in_is_judged_alike(text, rule):
    alice, talk = cast()
    before = len(talk.all(alice))
    with ruled({**rule, "conversation_id": talk.id}):
        answers = {way.__name__: way(alice, talk, text) for way in WAYS}
    assert len(set(answers.values())) == 1, answers
    if not answers["by_post"]:
        # Only the item that the edit was tried on is there.
        [left] = talk.all(alice)[before:]
        assert left["text"] == "fine"


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXT)
def test_what_no_rule_hits_is_kept_byte_for_byte_and_what_one_masks_hits_no_more(text):
    alice, talk = cast()
    words = {"conversation_id": talk.id, "patterns": "*bad*\n*坏*\nσασ", "action": "mask"}
    with ruled(words):
        talk.say(alice, text)
        shown = talk.all(alice)[-1]["text"]
        seq = talk.say(alice, "fine")["seq"]
        edited = alice.post(f"{talk.path}/messages/{seq}/edit", {"text": text})["text"]
    assert shown == edited
    folded = fold(text)
    hit = any(word in folded for word in ("bad", "坏", "σασ"))
    assert (shown == text) is not hit or ("σασ" in folded and "bad" not in folded)
    assert "bad" not in fold(shown)
    assert "坏" not in shown
