"""The database hangs, dies and comes back: clean refusals meanwhile, and recovery by itself."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests import postgres
from tests.environment import ENGINE
from tests.store.remote import User, migrate, server_on

pytestmark = [
    pytest.mark.skipif(ENGINE != "postgresql", reason="SQLite is a file"),
    pytest.mark.timeout(600),
]
# Short, so that the test is; the times told below follow from it.
STATEMENT = 1.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    with postgres.running() as running, postgres.database(running.url(), "im"):
        yield running


@pytest.fixture(scope="module")
def user(cluster, valkey, tmp_path_factory) -> Iterator[User]:
    folder: Path = tmp_path_factory.mktemp("outage")
    migrate(cluster.url("im"), folder)
    timeout = {"IM_DB_STATEMENT_TIMEOUT": str(int(STATEMENT * 1000)), "IM_REDIS_URL": valkey}
    with server_on(cluster, folder, **timeout) as base, closing(User(base, "alice")) as alice:
        yield alice


@pytest.fixture(scope="module")
def talk(user) -> int:
    made = user.post("conversations", {"kind": "group", "title": "Outage"})
    assert user.send(made["id"]).status_code == 201
    return int(made["id"])


def refused(answer: httpx.Response) -> None:
    """Check that this is a clean refusal."""
    assert answer.status_code == 503, answer.text
    assert answer.json()["error"] == "unavailable"
    assert int(answer.headers["Retry-After"]) >= 1


def many(user: User, talk: int, count: int = 24) -> list[httpx.Response]:
    """Ask and send from many threads at once, as there are many connections."""
    asks = [lambda: user.ask("GET", f"conversations/{talk}/messages"), lambda: user.send(talk)]
    with ThreadPoolExecutor(count) as pool:
        return [each.result() for each in [pool.submit(asks[n % 2]) for n in range(count)]]


def test_a_restart_between_requests_is_not_even_noticed(cluster, user, talk):
    assert all(answer.status_code < 300 for answer in many(user, talk))
    cluster.stop()
    cluster.start()
    assert [answer.status_code for answer in many(user, talk) if answer.status_code >= 300] == []


def test_it_dies_and_comes_back(cluster, user, talk):
    cluster.kill()
    began = time.monotonic()
    for answer in [user.ask("GET", "sync"), user.send(talk), *many(user, talk)]:
        refused(answer)
    # Nobody waits for a server that is not there.
    assert time.monotonic() - began < 15
    cluster.start()
    assert user.recovers(talk, within=10) < 10
    assert all(answer.status_code < 300 for answer in many(user, talk))


def test_it_hangs_and_goes_on(cluster, user, talk):
    cluster.freeze()
    try:
        began = time.monotonic()
        for answer in many(user, talk):
            refused(answer)
        # A statement's time and the client's patience; then nobody waits for it again in vain.
        assert time.monotonic() - began < 3 * (STATEMENT + 1) + 4
    finally:
        cluster.thaw()
    assert user.recovers(talk, within=10) < 10
    assert all(answer.status_code < 300 for answer in many(user, talk))


def test_the_log_is_dense_after_all_that(user, talk):
    page = user.get(f"conversations/{talk}/messages?after=0&limit=200")
    assert [item["seq"] for item in page["items"]] == list(range(1, page["last_seq"] + 1))
