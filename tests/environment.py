"""The environment of the tests, set before Django reads it: a data folder and a database that go after.

`--engine=postgresql` runs them on PostgreSQL: one started for the occasion, or a fresh database on the
server at IM_TEST_DATABASE_URL. It never is the database of DATABASE_URL: tests leave their traces.
"""

import argparse
import atexit
import os
import secrets
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

ENGINES = ("sqlite", "postgresql")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tell pytest of the option that was read already."""
    parser.addoption("--engine", choices=ENGINES, default="sqlite", help="the database to test on")


def pytest_report_header() -> str:
    """Say which database it is."""
    return f"engine: {ENGINE}"


def _asked() -> str:
    # Read here: the settings are read before pytest has looked at its options.
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    found: str = parser.parse_known_args(sys.argv[1:])[0].engine
    return found


def _postgresql() -> str:
    """Return the URL of a new database; that it cannot be had is an error, never a reason to skip."""
    from tests import postgres

    server = os.environ.get("IM_TEST_DATABASE_URL")
    if not server:
        # No test cuts the power, and a process that is killed loses nothing of what the kernel holds.
        server = _stack.enter_context(postgres.running(fsync="off")).url()
    name = f"imsite_test_{secrets.token_hex(4)}"
    _stack.enter_context(postgres.database(server, name))
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def _memory() -> str | None:
    """Return a folder in memory if there is one with room: SQLite flushes thousands of commits."""
    shared = Path("/dev/shm")
    if "TMPDIR" in os.environ or not os.access(shared, os.W_OK):
        return None
    return str(shared) if shutil.disk_usage(shared).free > _ROOM else None


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of our marker."""
    config.addinivalue_line("markers", "once: the database plays no part, so on SQLite only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out on the other engine what would only be the same again."""
    if ENGINES[0] == ENGINE:
        return
    again = [item for item in items if item.get_closest_marker("once")]
    config.hook.pytest_deselected(items=again)
    items[:] = [item for item in items if item not in again]
    config.stash[_LEFT_OUT] = bool(again)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """That nothing is left to run on the other engine is no failure."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.stash.get(
        _LEFT_OUT, False
    ):
        session.exitstatus = pytest.ExitCode.OK


_LEFT_OUT = pytest.StashKey[bool]()
_ROOM = 4 * 2**30
_stack = ExitStack()
atexit.register(_stack.close)
_folder = tempfile.mkdtemp(prefix="imsite-", dir=_memory())
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith("IM_") and "TEST" not in name]:
    del os.environ[_name]
os.environ["IM_DATA_DIR"] = _folder
os.environ["IM_LIMITS"] = "off"
# A busy machine is no outage; tests of outages set their own.
os.environ["IM_DB_STATEMENT_TIMEOUT"] = os.environ["IM_DB_LOCK_TIMEOUT"] = "30000"
if "IM_TEST_REDIS_URL" in os.environ:
    os.environ["IM_REDIS_URL"] = os.environ["IM_TEST_REDIS_URL"]
ENGINE = _asked()
os.environ.pop("DATABASE_URL", None)
if ENGINE == "postgresql":
    os.environ["DATABASE_URL"] = _postgresql()
