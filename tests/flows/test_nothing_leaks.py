"""Nothing gives what moderators took back, hold or hide: the bytes of every answer are searched for it."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from drf_spectacular.generators import SchemaGenerator
from websockets.sync.client import connect

from accounts.models import User
from imsite.catalogue import OPERATIONS
from imsite.core import clock
from messages.models import Case, Sealed
from messages.moderation import cases, orders
from messages.moderation.cases import Outcome
from messages.moderation.selection import Selection
from tests import desk
from tests.cast import Person, Talk, talk_of
from tests.rules import ruled
from tests.staff import warrant

pytestmark = pytest.mark.usefixtures("short_lists")


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


def everything(
    who: Person, talk: Talk, words: list[str], seqs: list[int], reached: set[str] | None = None
) -> Iterator[bytes]:
    """Yield the answer of every GET route in every form; note in `reached` those that gave something."""
    for path in sorted(get_routes()):
        for query in queries(path, talk, words, seqs):
            device = who.device_id
            filled = path.format(
                conversation_id=talk.id, user_id=who.id, seq=seqs[0], device_id=device
            )
            answer = who.request("GET", filled.removeprefix("/api/v1/") + query)
            assert answer.status_code in (200, 403, 404), (filled, query, answer.content)
            if answer.status_code == 200 and reached is not None:
                reached.add(path)
            yield answer.content


def acts(who: Person, talk: Talk, seq: int) -> Iterator[bytes]:
    """Yield what the acts answer that change little, or nothing of what has no content."""
    here = f"{talk.path}/messages/{seq}"
    for path, body in {
        f"{here}/edit": {"text": "other"},
        f"{here}/react": {"emoji": "👍", "op": "add"},
        f"{here}/pin": {},
        f"{here}/unpin": {},
        f"{here}/report": {"reason": "spam"},
        f"{talk.path}/read": {"seq": seq},
        f"{talk.path}/settings": {"pinned": True},
        f"{talk.path}/typing": {},
    }.items():
        yield who.request("POST", path, body).content


def pages(*users: User | None) -> Iterator[bytes]:
    """Yield every page of the admin that these get, each for its newest row."""
    for user in users:
        client = desk.browser(user)
        for name, path, _ in desk.addresses():
            if name not in ("logout", "jsi18n"):
                yield client.get(path).content


@pytest.fixture
def frames(server):
    """Return what opens a socket, and the frames of all of them so far."""
    with ExitStack() as stack:
        sockets = []

        def open_for(who: Person) -> None:
            address = f"{server.replace('http', 'ws', 1)}/ws"
            bearer = {"Authorization": f"Bearer {who.access}"}
            sockets.append(stack.enter_context(connect(address, additional_headers=bearer)))

        def heard() -> list[str]:
            found = []
            for socket in sockets:
                with suppress(TimeoutError):
                    while True:
                        found.append(socket.recv(0.3))
            return found

        yield open_for, heard


def test_every_route_of_the_catalogue_is_searched(alice, bob):
    routes, reached = get_routes(), set()
    assert len(routes) == sum(name.startswith("get_") for name in OPERATIONS)
    talk = talk_of(alice, bob)
    seq = _say(talk, bob, "word")
    assert list(everything(alice, talk, ["word"], [seq], reached))
    assert reached == routes


@pytest.mark.parametrize("by_case", [True, False], ids=["one", "many"])
def test_what_was_taken_back_is_in_no_answer(alice, bob, by_case, frames):
    third = Person.new("leaker")
    talk = talk_of(alice, bob, third, history="all")
    open_for, heard = frames
    for who in (alice, bob):
        open_for(who)
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
        answers = b"".join(acts(who, talk, seqs[0]))
        assert not [word for word in words if word.encode() in answers]
    again = bob.request("POST", f"{talk.path}/messages/{seqs[0]}/recall", {}).content
    assert words[0].encode() not in again
    told = heard()
    assert any(f"[{talk.id}," in frame for frame in told), "the sockets hear of it"
    assert not [word for word in words if any(word in frame for frame in told)]


def test_what_is_held_or_masked_is_in_no_answer(alice, bob, frames):
    talk = talk_of(alice, bob, history="all")
    open_for, heard = frames
    open_for(alice)
    held, masked = (f"secret{uuid.uuid4().hex[:12]}" for _ in range(2))
    here = {"conversation_id": talk.id}
    rules = [{**here, "patterns": held, "action": "hold"}, {**here, "patterns": masked}]
    flags = {**rules[1], "action": "flag"}
    with ruled(rules[0], {**rules[1], "action": "mask"}, flags):
        message = {"client_id": str(uuid.uuid4()), "text": f"say {held}"}
        assert bob.refused("POST", f"{talk.path}/messages", message) == "rejected_by_policy"
        seq = _say(talk, bob, f"so {masked}", url="https://example.org/")
    for who in (alice, bob):
        found = [*everything(who, talk, [held, masked], [seq]), *acts(who, talk, seq)]
        assert not [word for word in (held, masked) if word.encode() in b"".join(found)]
    told = heard()
    assert any(f"[{talk.id}," in frame for frame in told)
    assert not [frame for frame in told if held in frame or masked in frame]


def test_nobody_without_permission_reads_any_of_it_in_the_admin(alice, bob):
    desk.world()
    words = {name: f"secret{uuid.uuid4().hex[:12]}" for name in ("recalled", "held", "masked")}
    talk = talk_of(alice, bob)
    here = {"conversation_id": talk.id}
    flag = {**here, "patterns": words["masked"], "action": "flag"}
    with ruled(
        {**here, "patterns": words["held"], "action": "hold"}, flag, flag | {"action": "mask"}
    ):
        bob.refused("POST", f"{talk.path}/messages", _message(words["held"]))
        talk.say(bob, words["masked"])
        cases.adopt(now=clock.now())
        seq = talk.say(bob, words["recalled"])["seq"]
        orders.recall_one(warrant(), talk.id, seq)
        nobodies = [None, User.objects.get(pk=alice.id), *map(desk.new_staff, _BLIND)]
        shown = b"".join(pages(*nobodies, desk.new_staff()))
        assert not [name for name, word in words.items() if word.encode() in shown]
        # The same pages, and the same search of bytes, find for a moderator what is theirs to see.
        shown = b"".join(pages(desk.new_staff("Moderator")))
        assert [name for name, word in words.items() if word.encode() in shown] == [
            "held",
            "masked",
        ]


# Groups that have nothing to do with what people said.
_BLIND = ("Support", "Operator")


def _message(text: str) -> dict:
    return {"client_id": str(uuid.uuid4()), "text": text}


def _say(talk: Talk, who: Person, word: str, url: str = "") -> int:
    """Say it as a link, whose title and memo are content too, pinned and with a reaction."""
    body = {"url": url or f"https://example.org/{word}", "title": word, "memo": word}
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
