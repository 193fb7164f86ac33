"""A transaction held open across polls and pages: whatever it changed is shown once it commits.

SQLite has one writer at a time, so there this cannot happen, and what is shown is the same.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.cast import Person, Talk, talk_of
from tests.environment import ENGINE

pytestmark = pytest.mark.skipif(ENGINE != "postgresql", reason="SQLite has one writer at a time")


@contextmanager
def writing() -> Iterator[psycopg.Connection]:
    """Open a transaction that has its id, which is what orders changes, before the block begins."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("SELECT pg_current_xact_id()")
        yield connection
        connection.rollback()


def rename(connection: psycopg.Connection, talk: Talk, title: str) -> None:
    """Change a head as a slow server would, not yet committed."""
    connection.execute(
        "UPDATE conversations_conversation SET title = %s, version = version + 1,"
        " stamp = pg_current_xact_id()::text::bigint WHERE id = %s",
        [title, talk.id],
    )


def hide(connection: psycopg.Connection, talk: Talk, who: Person) -> None:
    """Change a membership likewise."""
    connection.execute(
        "UPDATE conversations_membership SET hidden = true, version = version + 1,"
        " stamp = pg_current_xact_id()::text::bigint WHERE conversation_id = %s AND user_id = %s",
        [talk.id, who.id],
    )


class Chain:
    """A client that polls, page by page, and keeps the newest of each head."""

    def __init__(self, who: Person, limit: int) -> None:
        self.who, self.limit = who, limit
        self.heads: dict[int, dict] = {}
        self.cursor: str | None = None

    def poll(self) -> dict:
        """Ask once, and go on from there the next time."""
        query = f"sync?limit={self.limit}" + (f"&cursor={self.cursor}" if self.cursor else "")
        answer = self.who.get(query)
        assert not answer["reset"]
        for head in answer["items"]:
            kept = self.heads.get(head["id"])
            if kept is None or head["version"] >= kept["version"]:
                self.heads[head["id"]] = head
        self.cursor = answer["cursor"]
        return answer

    def drain(self) -> None:
        """Poll until there is no more."""
        while self.poll()["more"]:
            pass

    def settle(self) -> None:
        """Nothing new happens: empty within two polls, and the cursor stays."""
        for _ in range(2):
            self.drain()
        kept = self.cursor
        for _ in range(3):
            answer = self.poll()
            assert answer["items"] == [] and not answer["more"]
            assert answer["cursor"] == kept


@pytest.fixture
def talks(alice, bob) -> list[Talk]:
    return [talk_of(alice, bob) for _ in range(7)]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("change", [rename, hide])
def test_a_late_commit_is_shown(talks, alice, bob, limit, change):
    late = talks[3]
    chain = Chain(bob, limit)
    chain.drain()
    with writing() as transaction:
        for talk in talks[:3]:
            talk.say(alice, "before it writes")
        chain.poll()
        change(transaction, late, *(["late"] if change is rename else [bob]))
        # Commits of later transactions, in the middle of a pass and after it.
        for talk in talks:
            if talk is not late:
                talk.say(alice, "while it is open")
        chain.poll()
        talks[0].say(alice, "and once more")
        chain.drain()
        chain.drain()
        transaction.commit()
    chain.drain()
    fresh, _ = bob.sync_all()
    assert chain.heads == fresh
    assert fresh[late.id]["title"] == "late" or fresh[late.id]["membership"]["hidden"]
    chain.settle()


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_late_commit_during_the_first_pass_is_shown(talks, alice, bob, limit):
    chain = Chain(bob, limit)
    with writing() as transaction:
        rename(transaction, talks[6], "late")
        chain.poll()
        talks[0].say(alice, "moves to the front")
        chain.drain()
        transaction.commit()
    chain.drain()
    fresh, _ = bob.sync_all()
    assert chain.heads == fresh and fresh[talks[6].id]["title"] == "late"
    chain.settle()


def test_a_chain_stays_empty_while_a_writer_idles(talks, alice, bob):
    """An open transaction holds the horizon; what was shown above it is not shown for ever."""
    chain = Chain(bob, 100)
    chain.drain()
    with writing():
        talks[1].say(alice, "shown once or twice")
        chain.settle()


def test_a_cursor_may_be_used_twice_around_a_late_commit(talks, alice, bob):
    chain, other = Chain(bob, 100), Chain(bob, 100)
    chain.drain()
    other.cursor, other.heads = chain.cursor, dict(chain.heads)
    with writing() as transaction:
        rename(transaction, talks[2], "late")
        talks[1].say(alice, "meanwhile")
        chain.poll()
        transaction.commit()
    chain.drain()
    other.drain()
    assert chain.heads == other.heads == bob.sync_all()[0]
