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
        server = _stack.enter_context(postgres.running()).url()
    name = f"imsite_test_{secrets.token_hex(4)}"
    _stack.enter_context(postgres.database(server, name))
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


_stack = ExitStack()
atexit.register(_stack.close)
_folder = tempfile.mkdtemp(prefix="imsite-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith("IM_") and "TEST" not in name]:
    del os.environ[_name]
os.environ["IM_DATA_DIR"] = _folder
os.environ["IM_LIMITS"] = "off"
if "IM_TEST_REDIS_URL" in os.environ:
    os.environ["IM_REDIS_URL"] = os.environ["IM_TEST_REDIS_URL"]
ENGINE = _asked()
os.environ.pop("DATABASE_URL", None)
if ENGINE == "postgresql":
    os.environ["DATABASE_URL"] = _postgresql()
