"""What is to be done when the server begins to leave: it waits for requests that only wait themselves."""

from collections.abc import Callable

_calls: list[Callable[[], None]] = []


def register(call: Callable[[], None]) -> None:
    """Have `call` made in the event loop before the server waits for open requests."""
    _calls.append(call)


def begin() -> None:
    """Make all calls."""
    for call in _calls:
        call()
