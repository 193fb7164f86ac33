"""A chat log in a file and the log of its group are the same, however often the import was cut off."""

import gzip
import io
import uuid
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import orjson
import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from messages import demo, importing
from messages.replaying import timetable
from messages.transcript import Said
from tests.cast import PASSWORD, Person, Talk

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LINES = gzip.decompress(demo.EXCERPT.read_bytes()).splitlines()[:300]


@pytest.fixture
def title() -> str:
    return f"Import {uuid.uuid4()}"


def file_of(folder: Path, lines: list[bytes], name: str = "log.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def run(
    path: Path, title: str, *, batches: int | None = None, size: int = 50
) -> importing.Progress:
    """Import; with `batches`, stop dead after so many."""
    steps = importing.run(path, title=title, now=NOW, batch=size)
    *_, last = steps if batches is None else islice(steps, batches + 1)
    return last


def log_of(conversation_id: int) -> tuple[list[dict], dict[int, dict]]:
    """Return what a newcomer reads, the notices left out, and the users by id."""
    reader = Person.new("reader")
    talk = Talk(conversation_id, reader)
    reader.post(f"{talk.path}/join")
    items = talk.all(reader)
    assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
    ids = sorted({item["sender_id"] for item in items})
    users = [
        user
        for n in range(0, len(ids), 100)
        for user in reader.get(f"accounts/users?ids={','.join(map(str, ids[n : n + 100]))}")[
            "items"
        ]
    ]
    return [item for item in items if not item.get("event")], {user["id"]: user for user in users}


def as_file(conversation_id: int) -> list[tuple[str, str, str]]:
    said, users = log_of(conversation_id)
    return [(i["sent_at"], users[i["sender_id"]]["display_name"], i["text"]) for i in said]


def expected(lines: list[bytes]) -> list[tuple[str, str, str]]:
    found = []
    for each in map(orjson.loads, lines):
        text = f"* {each['nick']} {each['text']}" if each["kind"] == "action" else each["text"]
        found.append((each["at"].replace("Z", ".000Z"), each["nick"], text))
    return found


def test_the_log_is_the_file_line_by_line(database, tmp_path, title):
    done = run(file_of(tmp_path, LINES), title)
    assert (done.added, done.known, done.refused, done.done) == (300, 0, [], done.total)
    assert as_file(done.conversation_id) == expected(LINES)


@pytest.mark.parametrize("cut", [0, 1, 3, 6])
def test_an_import_cut_off_goes_on_where_it_stopped(database, tmp_path, title, cut):
    path = file_of(tmp_path, LINES)
    first = run(path, title, batches=cut)
    assert first.added == cut * 50
    # Other batches than before: what stands in the middle of one is not sent again.
    second = run(path, title, size=70)
    assert (second.added, second.known) == (300 - cut * 50, cut * 50)
    assert second.conversation_id == first.conversation_id
    assert as_file(second.conversation_id) == expected(LINES)


def test_a_second_import_changes_nothing(database, tmp_path, title):
    path = file_of(tmp_path, LINES)
    first = run(path, title)
    reader = Person.new("reader")
    reader.post(f"conversations/{first.conversation_id}/join")
    before = reader.head(first.conversation_id), User.objects.count()
    again = run(path, title)
    assert (again.added, again.known) == (0, 300)
    assert (reader.head(first.conversation_id), User.objects.count()) == before


def test_a_file_that_grew_brings_its_new_lines_and_people(database, tmp_path, title):
    first = run(file_of(tmp_path, LINES[:100]), title)
    second = run(file_of(tmp_path, LINES), title)
    assert (second.added, second.known) == (200, 100)
    assert as_file(first.conversation_id) == expected(LINES)


def test_lines_that_cannot_be_sent_are_told_and_skipped(database, tmp_path, title):
    good = orjson.loads(LINES[0])
    broken = [
        b"no json",
        b'{"at": "2011-04-17T04:17:00Z", "nick": "\xff", "kind": "say", "text": "x"}',
        orjson.dumps(good | {"text": ""}),
        orjson.dumps(good | {"text": " \u200b "}),
        orjson.dumps(good | {"text": "a\x00b"}),
        b'{"at": "2011-04-17T04:17:00Z", "nick": "n", "kind": "say", "text": "\\ud800"}',
        orjson.dumps(good | {"text": "x" * 4001}),
        orjson.dumps(good | {"at": "yesterday"}),
        orjson.dumps(good | {"kind": "shout"}),
        orjson.dumps(good | {"nick": ""}),
        b"[1]",
    ]
    path = file_of(tmp_path, [LINES[0], *broken, b"", LINES[1]])
    done = run(path, title)
    assert [line.number for line in done.refused] == list(range(2, len(broken) + 2))
    assert all(line.reason for line in done.refused)
    assert as_file(done.conversation_id) == expected(LINES[:2])
    assert [line.number for line in run(path, title).refused] == list(range(2, len(broken) + 2))


def test_nicks_are_told_apart_exactly_and_nobody_can_log_in_as_them(database, tmp_path, title):
    # With a letter in it: else its upper case would be itself.
    mark = "a" + uuid.uuid4().hex[:5]
    real = Person.new("real")
    User.objects.filter(pk=real.id).update(
        username=f"irc-{mark}", username_key=f"irc-{mark}", display_name=mark
    )
    nicks = [mark, mark.upper() + "x", mark + "X", mark + "x", f"{mark}|away", f"{mark}^away", "[]"]
    nicks += ["ﷺ" * 30, "x" * 100, "名前"]
    lines = [
        orjson.dumps({"at": f"2011-04-17T04:{n:02}:00Z", "nick": nick, "kind": "say", "text": nick})
        for n, nick in enumerate(nicks)
    ]
    path = file_of(tmp_path, lines)
    done = run(path, title)
    said, users = log_of(done.conversation_id)
    assert [users[item["sender_id"]]["display_name"] for item in said] == nicks
    assert len({item["sender_id"] for item in said}) == len(nicks)
    assert real.id not in users
    for item in said:
        fields = {"username": users[item["sender_id"]]["username"], "password": PASSWORD}
        assert real.refused("POST", "accounts/login", fields) == "bad_credentials"
    assert run(path, title).known == len(nicks)


def test_markers_of_speakers_move_with_what_they_say(database, tmp_path, title):
    done = run(file_of(tmp_path, LINES), title)
    said, _ = log_of(done.conversation_id)
    last = {item["sender_id"]: item["seq"] for item in said}
    reader = Person.new("reader")
    reader.post(f"conversations/{done.conversation_id}/join")
    for seq in (said[0]["seq"], said[150]["seq"]):
        speakers = {sender for sender, newest in last.items() if newest >= seq}
        reads = reader.get(f"conversations/{done.conversation_id}/reads?seq={seq}")["items"]
        assert speakers <= {each["user_id"] for each in reads}


def test_the_command_reads_gz_and_tells_counts(database, tmp_path, title):
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join([*LINES[:20], b"broken"])))
    out, err = io.StringIO(), io.StringIO()
    call_command("import_log", str(path), conversation=title, stdout=out, stderr=err)
    assert "20 added, 0 there already, 1 refused, of 21 lines" in out.getvalue()
    assert "line 21" in err.getvalue()


@pytest.mark.parametrize("owner", ["nobody-of-this-name", None])
def test_the_command_refuses_what_makes_no_sense(database, tmp_path, title, owner):
    path = file_of(tmp_path, LINES[:2] if owner else [b"broken"])
    with pytest.raises(CommandError):
        call_command("import_log", str(path), conversation=title, owner=owner)
    with pytest.raises(CommandError):
        call_command("import_log", str(tmp_path / "missing"), conversation=title)
    with pytest.raises(CommandError):
        call_command("import_log", str(file_of(tmp_path, LINES)), conversation=" ")


def test_an_own_group_is_the_owners(database, tmp_path, title, alice):
    path = file_of(tmp_path, LINES[:10])
    call_command(
        "import_log",
        str(path),
        conversation=title,
        owner=alice.user["username"],
        stdout=io.StringIO(),
    )
    [head] = alice.sync_all()[0].values()
    assert (head["title"], head["membership"]["role"]) == (title, "owner")
    assert (head["settings"]["join"], head["settings"]["history"]) == ("open", "all")
    assert (head["unread"], head["last_seq"]) == (10, 11)


def test_the_demo_has_people_who_log_in_and_have_unread_messages(database):
    for _ in range(2):
        call_command("load_demo", force=True, stdout=io.StringIO())
    with pytest.raises(CommandError):
        Person.new("other")
        call_command("load_demo", stdout=io.StringIO())
    for login, unread in zip(demo.DEMO_LOGINS, [[2, 37], [0, 120]], strict=True):
        person = Person(Person.new().post("accounts/login", login))
        heads = sorted(person.sync_all()[0].values(), key=lambda head: head["kind"])
        assert [head["unread"] for head in heads] == unread
        assert [head["last_seq"] for head in heads] == [5, 2001]


def test_gaps_are_divided_by_the_speed_and_long_ones_cut():
    def said(minute: int) -> Said:
        at = datetime(2011, 4, 17, minute // 60, minute % 60, tzinfo=UTC)
        return Said(number=1, raw=b"", at=at, nick="n", text="t")

    lines = [said(0), said(0), said(1), said(3), said(600)]
    assert [at for at, _ in timetable(lines, speed=2)] == [0, 15, 30, 90, 240]
