"""What the admin's lists and pages ask of the database: so many queries, whatever the number of rows."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test.utils import CaptureQueriesContext

from accounts.models import Device, User
from conversations import upkeep
from imsite.desk import dashboard, samples
from messages import search
from messages.models import packed
from tests import desk
from tests.cast import Person, talk_of
from tests.environment import ENGINE

# Session, user, and the rest of the list: its rows in one query with what they refer to. Two more
# where a name must become an id, or words be looked for. Nobody counts.
LISTS = {
    "accounts/user/": 5,
    "accounts/user/?q=alice": 5,
    "accounts/user/?standing=banned": 5,
    "accounts/device/": 5,
    "accounts/device/?state=live": 5,
    "accounts/block/": 5,
    "accounts/auditentry/": 5,
    "accounts/auditentry/?act=user.ban": 5,
    "conversations/conversation/": 5,
    "conversations/membership/": 5,
    "messagelog/entry/": 5,
    "messagelog/entry/?conversation=1": 5,
    "messagelog/entry/?sender=nobody": 6,
    # Of a rare word PostgreSQL is asked twice.
    "messagelog/entry/?q=hardlysaid": 6 if ENGINE == "sqlite" else 7,
    "push/pushtoken/": 5,
}


@pytest.fixture(scope="module")
def root(database):
    desk.world(said="hardlysaid")
    client = desk.browser(desk.new_staff(superuser=True))
    # The flags of the session are written once.
    client.get("/admin/")
    return client


def asked(root, path: str) -> list[str]:
    """Return the statements that a page takes, after one that warmed it up."""
    root.get(f"/admin/{path}")
    with CaptureQueriesContext(connection) as found:
        assert root.get(f"/admin/{path}").status_code == 200, path
        return [query["sql"] for query in found.captured_queries]


def test_each_list_takes_its_queries_however_many_rows_there_are(root):
    before = {path: len(asked(root, path)) for path in LISTS}
    for _ in range(8):
        made = desk.world()
        for _ in range(5):
            made["talk"].say(made["alice"])
    after = {path: len(asked(root, path)) for path in LISTS}
    assert before == after == LISTS


def test_nobody_counts(root):
    for path in LISTS:
        assert not [sql for sql in asked(root, path) if "COUNT(" in sql.upper()], path


def test_pages_of_a_list_are_the_whole_of_it(root):
    """Going on and coming back by key shows each row once, in the one order."""
    people = [Person.new() for _ in range(3)]
    talk = talk_of(*people)
    for _ in range(120):
        talk.say(people[0])
    path = f"/admin/messagelog/entry/?conversation={talk.id}"
    seen, pages = [], []
    link = ""
    while link is not None:
        changelist = root.get(path + link).context["cl"]
        seen += [entry.pk for entry in changelist.result_list]
        pages.append([entry.pk for entry in changelist.result_list])
        link = changelist.onward and changelist.onward.replace("?", "&")
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == talk.page(people[0])["last_seq"]
    back = root.get(f"{path}&before={pages[-1][0]}").context["cl"]
    assert [entry.pk for entry in back.result_list] == pages[-2]


def test_a_list_that_grew_meanwhile_skips_nobody(root):
    newest = root.get("/admin/accounts/user/").context["cl"]
    last = newest.result_list[-1].pk
    Person.new()
    older = root.get(f"/admin/accounts/user/?after={last}").context["cl"]
    expected = User.objects.filter(pk__lt=last).order_by("-pk")[:50]
    assert [user.pk for user in older.result_list] == [user.pk for user in expected]


def test_ended_devices_are_told_from_live_ones(root):
    alice = Person.new()
    alice.post("accounts/logout")
    live = root.get(f"/admin/accounts/device/?state=live&user={alice.id}").context["cl"]
    ended = root.get(f"/admin/accounts/device/?state=ended&user={alice.id}").context["cl"]
    assert (len(live.result_list), len(ended.result_list)) == (0, 1)
    assert Device.objects.get(user_id=alice.id).ended_at is not None


def test_what_never_ran_is_no_alarm_before_it_is_overdue(monkeypatch, database):
    monkeypatch.setattr(upkeep, "standing", lambda *, now: {})
    monkeypatch.setattr(samples, "newest", lambda: None)
    user = desk.new_staff(superuser=True)
    [made] = MigrationRecorder.Migration.objects.order_by("id").values_list("applied")[:1]
    for hours, alarms in ((0, [False, False]), (1, [False, True]), (3, [True, True])):
        seen = dashboard.seen_by(user, now=made[0] + timedelta(hours=hours))
        assert [each.alarm for each in seen.tiles[-2:]] == alarms


@pytest.mark.parametrize("near", [2, 5, 10_000])
def test_a_search_finds_the_nearest_however_rare_the_word(monkeypatch, near):
    """Whether they lie among those looked through first or not, and whichever way one goes."""
    monkeypatch.setattr(search, "_NEAR", near)
    one, rare = (f"w{uuid.uuid4().hex[:10]}" for _ in range(2))
    alice = Person.new()
    talk = talk_of(alice)
    seqs = [talk.say(alice, f"{one} {rare if n % 4 == 0 else 'x'}")["seq"] for n in range(12)]
    keys = {one: [packed(talk.id, seq) for seq in seqs]}
    keys[rare] = keys[one][::4]
    for word, all_keys in keys.items():
        for bound in (None, *keys[one]):
            below = [key for key in all_keys[::-1] if bound is None or key < bound]
            above = [key for key in all_keys if bound is not None and key > bound]
            for count in (1, 3, 20):
                found = search.places(word, below=bound, above=None, count=count)
                assert found == below[:count]
                if bound is not None:
                    found = search.places(word[:-1], below=None, above=bound, count=count)
                    assert found == above[:count]
