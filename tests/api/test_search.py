"""Search and reports: only what one may read, found by its words, gone with its content."""

import itertools
import uuid
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import search
from tests.cast import Person, Talk, talk_of

_numbers = itertools.count()


@pytest.fixture(scope="module")
def dora() -> Person:
    """Who talks to herself in all tests that need nobody else: registering is slow by design."""
    return Person.new("dora")


@pytest.fixture(scope="module")
def diary(dora) -> Talk:
    """Where she does."""
    return talk_of(dora)


def a_word() -> str:
    """Return a word that nobody said before."""
    return f"w{uuid.uuid4().hex[:10]}{next(_numbers)}"


def found(who: Person, q: str, **more: object) -> list[str | None]:
    """Return the texts found."""
    return [item.get("text") for item in page(who, q, **more)["items"]]


def page(who: Person, q: str, **more: object) -> dict:
    return who.get(f"messages/search?{urlencode({'q': q, **more})}")


SPOKEN = [
    ("The Quick brown fox", "quick"),
    ("The Quick brown fox", "FOX the"),
    ("The quick brown fox", "quick bro"),
    ("Grüße aus KÖLN", "köln GRÜSSE"),
    ("Привет, мир", "МИР"),
    ("我们明天在车站见面", "车站"),
    ("내일 학교에서 만나요", "학교"),
    ("see https://example.org/a-b?c=1", "example.org/a-b"),
    ('don\'t say "NOT" or AND (x*)', 'not "and" (x*)'),
    ("soft\u00adhyphen and zero\u200bwidth", "softhyphen zerowidth"),
    ("party 🎉 tonight", "🎉"),
    ("\uff26\uff35\uff2c\uff2c width", "full"),
]


@pytest.mark.parametrize(("text", "q"), SPOKEN)
def test_it_finds_by_each_word_in_any_case(dora, diary, text, q):
    mark = a_word()
    diary.say(dora, f"{mark} {text}")
    assert found(dora, f"{mark} {q}") == [f"{mark} {text}"]


MISSED = [
    ("quick brown fox", "quick cat"),
    ("quick brown fox", "qui fox"),
    ("one two", "two-one"),
    ("text", "te*t"),
    ("left", "left NEAR right"),
]


@pytest.mark.parametrize(("text", "q"), MISSED)
def test_it_wants_every_word_and_takes_operators_for_plain_text(dora, diary, text, q):
    mark = a_word()
    diary.say(dora, f"{mark} {text}")
    assert found(dora, f"{mark} {q}") == []


@pytest.mark.parametrize("q", ["!!!", '"', "*", "'", "(", "a OR", "NOT", "text:", "^a", "-", "%_"])
def test_any_query_is_answered(dora, diary, q):
    diary.say(dora, "something")
    page(dora, q)


@pytest.mark.parametrize("query", ["", "?q=", "?q=%20", "?q=" + "x" * 201, "?q=a&q=b", "?q=a&x=1"])
def test_it_refuses(dora, query):
    assert dora.refused("GET", f"messages/search{query}") == "invalid_request"


def test_it_reads_what_people_see_of_a_body(dora, diary):
    word = a_word()
    sent = [
        ("location", {"lat": 1, "lon": 2, "label": word}),
        ("link", {"url": "http://a.example", "title": word, "memo": "m"}),
        ("link", {"url": "http://a.example", "memo": word}),
        ("sticker", {"pack": "cats", "name": word}),
        ("red_packet", {"amount": "5", "memo": word}),
    ]
    for kind, body in sent:
        diary.say(dora, kind=kind, body=body, text=None)
    diary.say(dora, "fallback", kind="custom", body={"title": word})
    items = page(dora, word)["items"]
    assert [(item["kind"], item["body"]) for item in items] == sent[::-1]
    assert {item["conversation_id"] for item in items} == {diary.id}


def test_it_pages_through_all_newest_first(alice, bob):
    talks = [talk_of(alice, bob) for _ in range(3)]
    word = a_word()
    said = [f"{word} {n}" for n in range(17)]
    for n, text in enumerate(said):
        talks[n % 3].say(bob, text)
    for limit in (1, 2, 5, 200):
        seen: list[str | None] = []
        answer = page(alice, word, limit=limit)
        while True:
            seen += [item["text"] for item in answer["items"]]
            if answer["next"] is None:
                break
            answer = page(alice, word, limit=limit, cursor=answer["next"])
        assert sorted(seen) == sorted(said)
        times = [item["sent_at"] for item in page(alice, word)["items"]]
        assert times == sorted(times, reverse=True)


def test_a_cursor_is_bound_to_person_words_and_place(alice, bob, talk):
    word = a_word()
    for _ in range(2):
        talk.say(alice, word)
    path = f"messages/search?q={word}&limit=1&cursor={page(alice, word, limit=1)['next']}"
    assert alice.get(path)["next"] is None
    assert bob.refused("GET", path) == "invalid_cursor"
    assert alice.refused("GET", path.replace(word, "other")) == "invalid_cursor"
    assert alice.refused("GET", f"{path}&conversation_id={talk.id}") == "invalid_cursor"
    assert alice.refused("GET", f"messages/search?q={word}&cursor=x") == "invalid_cursor"


def test_a_stranger_finds_nothing_and_cannot_tell_absent_from_forbidden(alice, carol, talk):
    word = a_word()
    talk.say(alice, word)
    assert found(carol, word) == []
    for conversation_id in (talk.id, 2**50, 0):
        path = f"messages/search?q={word}&conversation_id={conversation_id}"
        assert carol.refused("GET", path) == "not_found"


def test_it_keeps_to_the_window_of_each_member(alice, bob, carol, talk):
    word = a_word()
    talk.say(alice, f"{word} before")
    alice.post(f"{talk.path}/members/add", {"user_ids": [carol.id]})
    talk.say(alice, f"{word} while")
    assert found(carol, word) == [f"{word} while"]
    assert found(carol, word, conversation_id=talk.id) == [f"{word} while"]
    alice.post(f"{talk.path}/update", {"history": "all"})
    assert len(found(carol, word)) == 2
    carol.post(f"{talk.path}/leave")
    assert found(carol, word) == []
    assert len(found(bob, word)) == 2
    alice.post(f"{talk.path}/dissolve")
    assert found(bob, word) == []


def test_what_is_recalled_is_not_found(alice, bob, talk):
    word = a_word()
    seq = talk.say(alice, word)["seq"]
    alice.post(f"{talk.path}/messages/{seq}/recall")
    assert found(alice, word) == found(bob, word) == []


def test_what_is_edited_is_found_by_its_new_words_only(dora, diary):
    old, new = a_word(), a_word()
    seq = diary.say(dora, old)["seq"]
    dora.post(f"{diary.path}/messages/{seq}/edit", {"text": new})
    assert (found(dora, old), found(dora, new)) == ([], [new])


@given(st.text(max_size=60))
def test_words_hold_nothing_that_a_database_would_read_as_syntax(text):
    cut = search.words({"kind": "text", "text": text})
    assert not set(cut) & set("\"'\\*():&|!<>-^+\0")
    assert cut == search.words({"kind": "text", "text": cut}) or not text.isascii()


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40))
def test_what_was_said_finds_itself(dora, diary, text):
    mark = a_word()
    diary.say(dora, f"{mark} {text}")
    assert found(dora, f"{mark} {text}") == [f"{mark} {text}"]


def report(who: Person, talk: Talk, seq: int, **more: object) -> dict:
    return who.post(f"{talk.path}/messages/{seq}/report", {"reason": "spam", **more})


def test_the_same_person_reports_once(alice, bob, talk):
    seq = talk.say(alice, "buy now")["seq"]
    first = report(bob, talk, seq, note="again and again")
    assert set(first) == {"id"}
    assert report(bob, talk, seq) == first
    assert report(alice, talk, seq) != first


def test_reports_need_a_readable_message(alice, carol, talk):
    seq = talk.say(alice, "buy now")["seq"]
    path = f"{talk.path}/messages/{{}}/report"
    body = {"reason": "spam"}
    assert carol.refused("POST", path.format(seq), body) == "not_found"
    assert alice.refused("POST", path.format(seq + 1), body) == "not_found"
    assert alice.refused("POST", path.format(0), body) == "not_found"
    assert alice.refused("POST", path.format(1), body) == "invalid_request"
    assert alice.refused("POST", path.format(seq), {"reason": " "}) == "invalid_request"
    alice.post(f"{talk.path}/messages/{seq}/recall")
    assert alice.refused("POST", path.format(seq), body) == "conflict"
