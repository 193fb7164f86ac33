"""A dump restored into a new cluster is noticed: another epoch, and every cursor of before starts anew."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.environment import ENGINE
from tests.store.remote import User, migrate, server_on

pytestmark = [
    pytest.mark.skipif(ENGINE != "postgresql", reason="a restored SQLite file is tested elsewhere"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def clusters() -> Iterator[list[postgres.Cluster]]:
    with postgres.running() as old, postgres.running() as low, postgres.running() as high:
        for cluster in (old, low, high):
            with psycopg.connect(cluster.url(), autocommit=True) as connection:
                connection.execute("CREATE DATABASE im")
        spend(old, 3000)
        spend(high, 20_000)
        yield [old, low, high]


def spend(cluster: postgres.Cluster, count: int) -> None:
    """Use up transaction ids, as a server that has been running for long."""
    with psycopg.connect(cluster.url("im"), autocommit=True) as connection:
        connection.execute(
            "CREATE PROCEDURE spend(n int) LANGUAGE plpgsql AS 'BEGIN FOR i IN 1..n LOOP"
            " PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'"
        )
        connection.execute(f"CALL spend({count})")
        connection.execute("DROP PROCEDURE spend")


def copy(old: postgres.Cluster, new: postgres.Cluster, folder: Path) -> None:
    """Dump and restore, as an operator would."""
    dump = folder / "dump.sql"
    dump.write_bytes(old.tool("pg_dump", "--no-owner", old.url("im")))
    new.tool("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), new.url("im"))


def test_a_dump_restored_is_noticed(clusters, valkey, tmp_path):
    old, *others = clusters
    migrate(old.url("im"), tmp_path)
    fixed = {"IM_SECRET_KEY": "the same for every server " * 2, "IM_REDIS_URL": valkey}
    with server_on(old, tmp_path / "old", **fixed) as base:
        user = User(base, "alice")
        talks = [
            user.post("conversations", {"kind": "group", "title": "T"})["id"] for _ in range(3)
        ]
        cursor = user.get("sync")["cursor"]
        assert user.get(f"sync?cursor={cursor}")["reset"] is False
    for number, new in enumerate(others):
        copy(old, new, tmp_path)
        # Another machine: it has no memory of its own of what was before.
        with server_on(new, tmp_path / f"new{number}", **fixed) as base:
            check(user, base, cursor, talks)
    user.close()


def check(user: User, base: str, cursor: str, talks: list[int]) -> None:
    """The chain of before is reset; the new one shows all, falls silent, and then shows what is new."""
    user.http.base_url = base
    answer = user.get(f"sync?cursor={cursor}")
    assert answer["reset"] is True
    assert sorted(head["id"] for head in answer["items"]) == sorted(talks)
    for _ in range(2):
        answer = user.get(f"sync?cursor={answer['cursor']}")
        assert answer["reset"] is False
    assert answer["items"] == []
    assert user.send(talks[1]).status_code == 201
    answer = user.get(f"sync?cursor={answer['cursor']}")
    assert [head["id"] for head in answer["items"]] == [talks[1]]
