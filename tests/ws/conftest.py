"""Stories with sockets run in an event loop, and speak to the API in between, as scripts do."""

import pytest


@pytest.fixture(autouse=True)
def calls_may_block(monkeypatch) -> None:
    """Let the cast call the API from async tests; nothing else runs in this loop."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
