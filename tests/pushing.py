"""What tests of pushes need: a provider that keeps what it is handed, and people who can be woken."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from django.test import override_settings

from imsite.core import clock
from push import sweep, transport
from push.providers.base import Push, PushFailed, Target
from tests.cast import Person


@dataclass
class Phone:
    """The far end: what devices show, and how it fails."""

    taken: list[tuple[int, Push]] = field(default_factory=list)
    failing: PushFailed | None = None
    # Of one provider's name: how many seconds it takes.
    slow: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, who: Person, talk_id: int | None = None) -> list[Push]:
        """Return what this person's device was handed, oldest first."""
        return [
            push
            for device_id, push in self.taken
            if device_id == who.device_id and talk_id in (None, push.conversation_id)
        ]

    def seqs(self, who: Person, talk_id: int | None = None) -> list[int]:
        """Return the seqs of the pushes that were shown."""
        return [push.seq for push in self.of(who, talk_id) if not push.silent]


PHONE = Phone()


class Recorder:
    """A provider that hands everything to the far end of the test."""

    def lane(self, target: Target) -> str:
        return target.provider

    def send(self, target: Target, push: Push, *, now: datetime) -> str:
        time.sleep(PHONE.slow.get(target.provider, 0.0))
        with PHONE.lock:
            if PHONE.failing is not None:
                raise PHONE.failing
            PHONE.taken.append((target.device_id, push))
        return ""

    def close(self) -> None:
        pass


@contextmanager
def phones() -> Iterator[Phone]:
    """Serve all providers by the far end of the test, empty and willing."""
    PHONE.__init__()  # type: ignore[misc]
    routes = dict.fromkeys(("fcm", "apns", "webpush"), "recorder")
    found = {"recorder": "tests.pushing.Recorder"}
    transport.close()
    with override_settings(PUSH_PROVIDERS=found, PUSH_ROUTES=routes):
        yield PHONE
    transport.close()


def wake(who: Person, provider: str = "fcm") -> Person:
    """Let this person's device be woken."""
    who.post(
        "push/tokens", {"provider": provider, "token": uuid.uuid4().hex * 2, "app": "org.example"}
    )
    return who


def push(now: datetime | None = None) -> bool:
    """Push what is owed, as a task would; at another time if asked."""
    return sweep.run((lambda: now) if now else clock.now, budget=30)
