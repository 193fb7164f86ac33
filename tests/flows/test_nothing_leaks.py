"""No route gives what moderators took back: the bytes of every GET are searched for it."""

import uuid
from collections.abc import Iterator

import pytest
from drf_spectacular.generators import SchemaGenerator

from imsite.core import clock
from messages.models import Case, Sealed
from messages.moderation import cases, orders
from messages.moderation.cases import Outcome
from messages.moderation.selection import Selection
from tests.cast import Person, Talk, talk_of
from tests.staff import warrant


def get_routes() -> set[str]:
    """Return every route that answers GET, its parameters by name."""
    generator = SchemaGenerator()
    generator._initialise_endpoints()
    return {path for path, _, method, _ in generator.endpoints if method == "GET"}


def queries(path: str, talk: Talk, words: list[str], seqs: list[int]) -> list[str]:
    """Return the query strings with which a route may show content; an empty one always."""
    found = [""]
    if path.endswith("/messages/search"):
        found = [
            f"?q={word}{more}" for word in words for more in ("", f"&conversation_id={talk.id}")
        ]
    elif path.endswith("/messages/at"):
        found = ["?time=2020-01-01T00:00:00Z&limit=200"]
    elif path.endswith("{conversation_id}/messages"):
        found = ["?limit=200", "?after=0&limit=200", "?before=999999&limit=200&view=chat"]
        found += [f"?around={seq}&limit=1" for seq in seqs]
    elif path.endswith("v1/messages"):
        found = [f"?after={talk.id}:0&limit=200"]
    elif path.endswith("/push/why"):
        found = [f"?conversation_id={talk.id}&seq={seq}" for seq in seqs]
    elif path.endswith("/sync"):
        found = ["?messages=20", "?messages=20&limit=1"]
    elif path.endswith("/users"):
        found = ["?ids=1"]
    elif path.endswith("/users/search"):
        found = ["?q=le"]
    elif path.endswith("/reads"):
        found = [f"?seq={seqs[0]}"]
    return found


def everything(who: Person, talk: Talk, words: list[str], seqs: list[int]) -> Iterator[bytes]:
    """Yield the answer of every GET route in every form."""
    for path in sorted(get_routes()):
        for query in queries(path, talk, words, seqs):
            filled = path.format(conversation_id=talk.id, user_id=who.id, seq=seqs[0], device_id=1)
            answer = who.request("GET", filled.removeprefix("/api/v1/") + query)
            assert answer.status_code in (200, 403, 404), (filled, query, answer.content)
            yield answer.content


@pytest.mark.parametrize("by_case", [True, False], ids=["one", "many"])
def test_what_was_taken_back_is_in_no_answer(alice, bob, by_case):
    third = Person.new("leaker")
    talk = talk_of(alice, bob, third, history="all")
    words = [f"secret{uuid.uuid4().hex[:12]}" for _ in range(5)]
    seqs = [_say(talk, bob, word) for word in words]
    alice.post(f"{talk.path}/messages/{seqs[0]}/report", {"reason": "abuse", "note": "look"})
    shown = b"".join(everything(alice, talk, words, seqs))
    assert all(word.encode() in shown for word in words), "the search of bytes finds what is there"
    if by_case:
        case = Case.objects.get(conversation_id=talk.id, seq=seqs[0])
        cases.close(warrant(), case.pk, Outcome(name="recall"))
        words, seqs = words[:1], seqs[:1]
    else:
        order = orders.place(warrant(), Selection(conversation_id=talk.id, sender_id=bob.id))
        while orders.step(order, now=clock.now()):
            pass
    for who in (alice, bob, third):
        shown = b"".join(everything(who, talk, words, seqs))
        assert not [word for word in words if word.encode() in shown]
        assert b"recalled_by" in shown
    again = bob.request("POST", f"{talk.path}/messages/{seqs[0]}/recall", {}).content
    assert words[0].encode() not in again


def _say(talk: Talk, who: Person, word: str) -> int:
    """Say it as a link, whose title and memo are content too, pinned and with a reaction."""
    body = {"url": f"https://example.org/{word}", "title": word, "memo": word}
    seq = talk.say(who, word, kind="link", body=body, mentions=[talk.owner.id])["seq"]
    talk.owner.post(f"{talk.path}/messages/{seq}/pin")
    talk.owner.post(f"{talk.path}/messages/{seq}/react", {"emoji": "👎", "op": "add"})
    return seq


def test_what_is_sealed_cannot_be_read_in_the_database(alice, bob, talk):
    word = f"secret{uuid.uuid4().hex}"
    talk.say(bob, word)
    orders.place(warrant(), Selection(conversation_id=talk.id))
    order = orders.place(warrant(), Selection(conversation_id=talk.id))
    orders.step(order, now=clock.now())
    [sealed] = Sealed.objects.filter(order_id=order)
    assert word.encode() not in bytes(sealed.content)


def test_an_own_recall_leaves_nothing_that_could_be_put_back(alice, bob, talk):
    seq = talk.say(bob, "mine")["seq"]
    bob.post(f"{talk.path}/messages/{seq}/recall")
    assert not Sealed.objects.filter(pk=(talk.id << 32) + seq).exists()
