"""Whatever people write, and whatever stands in an address: pages of the admin stay pages, and say it."""

import random
import re
import uuid

import pytest

from accounts.models import User
from tests import desk
from tests.cast import Person
from tests.environment import ENGINE

pytestmark = pytest.mark.usefixtures("short_lists")
MARKS = "e" + "\u0301" * 3_999
TEXTS = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"'><img src=x onerror=alert(1)>{{ 7*7 }}{% now 'Y' %}",
    "turned around": "invoice \u202egpj.exe\u2066 \u200f\u061c \u2069",
    "terminal": "\x1b[31mred\x1b]0;owned\x07\x08\x7f",
    "formula": '=HYPERLINK("http://x","y")',
    "marks": MARKS,
    "unseen": "a\u200b\u2060\ufeff\U000e0041b\u2028c\u2029",
    "long": "ä" * 4_000,
}
# What must never stand in a page as it is: signs that steer terminals, or the order of letters.
_STEERING = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]"
)
_TYPED = re.compile(r'value="[^"<>]*"')
_MOST_BYTES = 400_000


@pytest.fixture(scope="module")
def root(database):
    return desk.browser(desk.new_staff(superuser=True))


def harmless(answer, *texts: str) -> None:
    """Hold that a page shows these texts without being changed by them."""
    page = answer.content.decode()
    assert len(answer.content) < _MOST_BYTES
    for text in texts:
        if "<" in text:
            assert text not in page
    shown = _TYPED.sub("", page)
    assert not _STEERING.search(shown), repr(_STEERING.search(shown))
    assert "\u0301" * 20 not in shown


@pytest.mark.parametrize("name", TEXTS)
def test_every_page_shows_it_and_stays_itself(root, name):
    text = TEXTS[name]
    desk.world(text, text)
    for pattern, path, _ in desk.addresses():
        if pattern in {"logout", "jsi18n"}:
            continue
        answer = root.get(path)
        assert answer.status_code in (200, 302, 403, 404), path
        harmless(answer, text)


def test_it_is_still_said(root):
    made = desk.world("<b>bold</b>", "<b>bold</b>")
    page = root.get(f"/admin/accounts/user/{made['alice'].id}/change/").content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    page = root.get(f"/admin/messagelog/entry/?conversation={made['talk'].id}").content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt;" in page


def everything(alice: Person, bob: Person, talk, text: str) -> None:
    """Send every kind, and do to entries all that can be done to them."""
    bodies = {
        "text": None,
        "location": {"lat": 1.5, "lon": -1, "label": text[:100]},
        "link": {"url": "https://example.org/?<script>", "title": text[:100]},
        "sticker": {"pack": "cats", "name": text[:30]},
        "red_packet": {"amount": "12.50", "memo": text[:50]},
        "card": {"user_id": bob.id},
        "custom": {"text": text[:50], "deep": {"<script>": [1, None, text[:50]]}},
    }
    for kind, body in bodies.items():
        more = {"body": body} if body else {}
        words = text[:200] if kind in ("text", "custom") else None
        message = {"client_id": str(uuid.uuid4()), "kind": kind, **more}
        alice.post(f"{talk.path}/messages", message | ({"text": words} if words else {}))
    seq = talk.say(alice, text[:100], mentions=[bob.id])["seq"]
    talk.say(bob, text[:100], reply_to=seq)
    alice.post(f"{talk.path}/messages/{seq}/edit", {"text": f"edited {text[:100]}"})
    bob.post(f"{talk.path}/messages/{seq}/react", {"emoji": "👍", "op": "add"})
    alice.post(f"{talk.path}/messages/{seq}/pin")
    alice.post(f"{talk.path}/messages/{talk.say(alice, text[:100])['seq']}/recall")
    alice.post(f"{talk.path}/members/remove", {"user_ids": [bob.id]})


@pytest.mark.parametrize("name", ["script", "turned around", "terminal"])
def test_every_kind_of_entry_has_its_row_and_its_page(root, name):
    made = desk.world(TEXTS[name], TEXTS[name])
    everything(made["alice"], made["bob"], made["talk"], TEXTS[name])
    listed = root.get(f"/admin/messagelog/entry/?conversation={made['talk'].id}")
    assert listed.status_code == 200
    harmless(listed, TEXTS[name])
    for link in set(
        re.findall(r'href="(/admin/messagelog/entry/\d+/change/)', listed.content.decode())
    ):
        page = root.get(link)
        assert page.status_code == 200
        harmless(page, TEXTS[name])


def test_what_was_recalled_is_not_shown(root):
    made = desk.world()
    secret = uuid.uuid4().hex
    seq = made["talk"].say(made["alice"], secret)["seq"]
    made["alice"].post(f"{made['talk'].path}/messages/{seq}/recall")
    page = root.get(f"/admin/messagelog/entry/?conversation={made['talk'].id}").content.decode()
    assert secret not in page
    assert "recalled" in page


# No lists of Django's: they know no filters, and heed none.
QUEUES = {"/admin/messagelog/case/"}
LOOKUPS = [
    "password__startswith=a",
    "password=a",
    "user__password__startswith=a",
    "sender__password__regex=a",
    "salt__gt=a",
    "devices__salt=1",
    "is_superuser__exact=1",
    "token__startswith=a",
    "wire__contains=a",
    "digest=1",
    "nothing=1",
]


@pytest.fixture(scope="module")
def lists(database):
    desk.world()
    return [path for name, path, _ in desk.addresses() if name.endswith("_changelist")]


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_nobody_asks_for_what_a_list_does_not_offer(root, lists, lookup):
    for path in lists:
        answer = root.get(f"{path}?{lookup}")
        if path in QUEUES:
            assert rows(answer) == rows(root.get(path))
        else:
            assert answer.status_code in (400, 403, 404), path


def rows(answer) -> list[str]:
    """The pages that a list leads to."""
    return re.findall(r'href="(/admin/[^"]+/\d+/\w+/)', answer.content.decode())


NONSENSE = [
    *(text[:300] for text in TEXTS.values()),
    "", "0", "-1", "1e9", "9" * 30, "9" * 18, "²", "NaN", "1' OR '1'='1", "%", "\\", "\x00",
    "a\x00b", "@", "@a", ":", "true",
]  # fmt: skip


def names(path: str, root) -> list[str]:
    """Every parameter that a list takes."""
    page = root.get(path).content.decode()
    return sorted(
        {
            "q",
            "o",
            "p",
            "e",
            "all",
            "after",
            "before",
            *re.findall(r'[?&;"](\w+)=', page),
            *re.findall(r'name="(\w+)"', page),
        }
        - {"csrfmiddlewaretoken"}
    )


def test_no_parameter_breaks_a_list(root, lists):
    # Each engine is asked other values.
    rng = random.Random(ENGINE)
    for path in lists:
        for name in names(path, root):
            for value in rng.sample(NONSENSE, 3):
                answer = root.get(path, {name: value})
                assert answer.status_code < 500, (path, name, value)
                harmless(answer, value)


@pytest.mark.parametrize(
    "key", ["abc", "-1", "0", "9" * 30, "1_00", "\u202e", "%00", "<script>", "1/../2", "１"]
)
def test_no_key_breaks_a_page(root, lists, key):
    for path in lists:
        for page in ("change", "history", "delete"):
            answer = root.get(f"{path}{key}/{page}/")
            assert answer.status_code in (302, 400, 403, 404), (path, key, page)
            harmless(answer, key)


def test_names_are_found_by_their_beginning_however_typed(root):
    alice = Person.new("Zoë")
    name = alice.user["username"]
    for typed in (name, name.upper(), name[:-1], str(alice.id)):
        page = root.get("/admin/accounts/user/", {"q": typed}).content.decode()
        assert f"/admin/accounts/user/{alice.id}/change/" in page
    assert User.objects.get(pk=alice.id)
