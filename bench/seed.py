"""A process on the same database that makes people, groups and logs, and takes the raw ceilings.

It is asked one JSON line at a time, `["name", {arguments}]`, and answers each with one: what was
asked goes through the domain where the domain matters (logs), in bulk where it does not.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import django
import orjson

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from accounts import tokens  # noqa: E402
from accounts.models import Device, User  # noqa: E402
from bench import aging, owing  # noqa: E402
from conversations.models import Conversation, Membership  # noqa: E402
from imsite.core import clock, rows, stamps  # noqa: E402
from messages import demo, drafts, log, transcript  # noqa: E402
from messages.models import Entry, packed  # noqa: E402

# Code points of a message: the length on which the bars were set.
LENGTH = 58
_AT_ONCE = 1000
_ENTRY = Entry._meta.db_table


def _chat() -> Iterator[str]:
    """Real chat cut into texts of one length, over and over: its words are as varied as words are."""
    path = Path(demo.__file__).with_name("ubuntu-excerpt.jsonl.gz")
    said = [line.text for line in transcript.read(path) if isinstance(line, transcript.Said)]
    whole = " ".join(" ".join(said).split())
    parts = (whole[n : n + LENGTH] for n in range(0, len(whole) - LENGTH, LENGTH))
    return cycle([part for part in parts if part.isascii()])


_texts = _chat()


def texts(count: int) -> list[str]:
    """Return texts to be sent."""
    return list(islice(_texts, count))


def users(count: int) -> list[int]:
    """Make people and return their ids."""
    run, now = uuid4().hex[:12], clock.now()
    names = [f"bench{run}{n}" for n in range(count)]
    made = [
        User(
            username=name,
            username_key=name,
            display_name=name,
            display_key=name,
            password="!",
            created_at=now,
        )
        for name in names
    ]
    return [each.pk for each in User.objects.bulk_create(made, batch_size=5000)]


def people(count: int) -> list[tuple[int, str]]:
    """Make people with a device each and return (id, access token)."""
    now = clock.now()
    devices = Device.objects.bulk_create(
        Device(user_id=user_id, salt=b"0" * 16, rotated_at=now, created_at=now, last_seen_at=now)
        for user_id in users(count)
    )
    return [(each.user_id, tokens.grant(each, at=now)["access"]) for each in devices]


@transaction.atomic
def groups(seats: list[list[int]]) -> list[int]:
    """Make a group of each list of people, the first of each its owner; return their ids."""
    now, stamp = clock.now(), stamps.take()
    made = Conversation.objects.bulk_create(
        (
            Conversation(
                kind="group",
                title=f"Bench {n}",
                created_at=now,
                last_at=now,
                member_count=len(members),
                stamp=stamp,
            )
            for n, members in enumerate(seats)
        ),
        batch_size=_AT_ONCE,
    )
    Membership.objects.bulk_create(
        (
            Membership(
                conversation=talk,
                user_id=user_id,
                role="member" if n else "owner",
                joined_at=now,
                stamp=stamp,
            )
            for talk, members in zip(made, seats, strict=True)
            for n, user_id in enumerate(members)
        ),
        batch_size=_AT_ONCE,
    )
    return [talk.pk for talk in made]


def large_group(members: list[int], size: int) -> int:
    """Make a group of these people and as many others as it takes to reach `size`."""
    return groups([members + users(size - len(members))])[0]


def say(places: list[tuple[int, int]], count: int = 1) -> None:
    """Let `count` messages be said at each place, which is (conversation, sender)."""
    wanted = (place for _ in range(count) for place in places)
    while some := list(islice(wanted, _AT_ONCE)):
        results = log.append_many([_draft(*place) for place in some], now=clock.now())
        failed = [each for each in results if isinstance(each, Exception)]
        if failed:
            raise failed[0]


@transaction.atomic
def lengthen(conversation_id: int, length: int) -> None:
    """Repeat what was said in a conversation until its log is so long; the copies are not searchable.

    Through the domain a million entries would take minutes.
    """
    talk = Conversation.objects.select_for_update().get(pk=conversation_id)
    said, low = talk.head_seq, packed(conversation_id, 0)
    while (head := talk.head_seq) < length:
        count = min(head, length - head)
        # An item begins with its seq and ordinal, which are alike where everything counts.
        rows.execute(
            f"""INSERT INTO {_ENTRY} (id, conversation_id, sender_id, client_id, kind, ordinal,
  created_at, wire, digest)
 SELECT id + %s, conversation_id, sender_id, gen_random_uuid(), kind, ordinal + %s, created_at,
  regexp_replace(wire, '"seq":\\d+,"ordinal":\\d+',
   format('"seq":%%s,"ordinal":%%s', id - %s + %s, ordinal + %s)), digest
 FROM {_ENTRY} WHERE id > %s AND id <= %s""",
            [head, head, low, head, head, low, low + count],
        )
        talk.head_seq = talk.head_ordinal = head + count
    if talk.head_seq > said:
        talk.stamp = stamps.take()
        talk.save(update_fields=["head_seq", "head_ordinal", "stamp"])


def _draft(conversation_id: int, sender_id: int) -> drafts.Draft:
    message = {"client_id": str(uuid4()), "text": next(_texts)}
    return drafts.parse(conversation_id, sender_id, message)


def weigh(conversation_id: int, senders: list[int], count: int) -> dict[str, float]:
    """Say `count` messages; return the bytes of each, in all and in the log, and how many a second."""
    say([(conversation_id, sender) for sender in senders])
    before = _sizes()
    places = list(islice(cycle((conversation_id, sender) for sender in senders), count))
    start = time.perf_counter()
    say(places)
    rate = count / (time.perf_counter() - start)
    after = _sizes()
    return {name: (after[name] - before[name]) / count for name in after} | {"rate": rate}


def _sizes() -> dict[str, int]:
    """Return the bytes of all tables and indexes, and of the log's."""
    if stamps.is_sqlite():
        found = rows.fetch(
            "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name"
            " GROUP BY m.tbl_name"
        )
    else:
        # Where deferred work of indexes is still in memory or in lists, it is not weighed otherwise.
        rows.fetch("SELECT pg_sleep(0.1)")
        found = rows.fetch(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    sizes = {str(name): int(size) for name, size in found}
    return {"all": sum(sizes.values()), "log": sizes[_ENTRY]}


def age(count: int, talks: int) -> None:
    """Fill conversations that keep nothing for long with `count` messages of a month ago."""
    [owner] = users(1)
    aging.fill(groups([[owner]] * talks), owner, count, _draft)
    settle()


def volume() -> int:
    """Return the bytes that the database takes on the disk."""
    if stamps.is_sqlite():
        rows.fetch("PRAGMA wal_checkpoint(PASSIVE)")
        [(size,)] = rows.fetch(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        )
    else:
        [(size,)] = rows.fetch("SELECT pg_database_size(current_database())")
    return int(size)


def raw_commits(seconds: float) -> float:
    """Return how many single rows a second one connection can commit durably, without any work."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bench_scratch (id integer, text varchar(100))")
    text = "x" * LENGTH

    def commit() -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_scratch VALUES (%s, %s)", [1, text])

    return _rate(commit, seconds)


def raw_pages(conversation_id: int, head: int, seconds: float) -> float:
    """Return how many random pages of 50 a second one connection reads, with nothing around it."""

    def page() -> None:
        low = packed(conversation_id, random.randrange(head - 50))
        sql = f"SELECT wire FROM {_ENTRY} WHERE id > %s AND id <= %s ORDER BY id"
        ",".join(row[0] for row in rows.fetch(sql, [low, low + 50]))

    return _rate(page, seconds)


def _rate(call: Callable[[], None], seconds: float) -> float:
    count, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < seconds:
        call()
        count += 1
    return count / took


def about() -> dict[str, str]:
    """Return what the database is, and how durable its commits are."""
    if stamps.is_sqlite():
        [(version,)] = rows.fetch("SELECT sqlite_version()")
        [(journal,)] = rows.fetch("PRAGMA journal_mode")
        [(level,)] = rows.fetch("PRAGMA synchronous")
        return {"database": f"SQLite {version}", "durability": f"{journal}, synchronous={level}"}
    [(version, fsync, commit)] = rows.fetch(
        "SELECT current_setting('server_version'), current_setting('fsync'),"
        " current_setting('synchronous_commit')"
    )
    durability = f"fsync={fsync}, synchronous_commit={commit}"
    return {"database": f"PostgreSQL {version}", "durability": durability}


def settle() -> None:
    """Tell the planner what is there."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA optimize" if stamps.is_sqlite() else "ANALYZE")


_ASKED: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        about,
        age,
        aging.expire,
        aging.tidied,
        groups,
        large_group,
        lengthen,
        people,
        raw_commits,
        raw_pages,
        say,
        settle,
        texts,
        users,
        volume,
        weigh,
    )
} | owing.ASKED


def main() -> None:
    """Migrate, then answer line by line until the input ends."""
    call_command("migrate", interactive=False, verbosity=0)
    # What anything below prints must not end up among the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer = {"ok": _ASKED[name](**arguments)}
        except Exception as error:  # The asker shall hear of it, and may go on with something else.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(orjson.dumps(answer).decode(), file=answers, flush=True)


if __name__ == "__main__":
    main()
