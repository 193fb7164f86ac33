"""The seeding process's hands for pushes: crowds that can be woken, looks and drains under the clock."""

import json
import time
from typing import Any
from uuid import uuid4

import redis
from django.conf import settings
from django.db.models import Count

from accounts.models import Device
from conversations.models import Membership
from imsite.core import clock
from messages import drafts, log
from push import looks, sweep
from push.models import Debt, Decision, PushToken


def woken(user_ids: list[int]) -> list[int]:
    """Give each of these users a device with a token; return the devices."""
    now = clock.now()
    made = Device.objects.bulk_create(
        (
            Device(user_id=each, salt=b"0" * 16, rotated_at=now, created_at=now, last_seen_at=now)
            for each in user_ids
        ),
        batch_size=5000,
    )
    PushToken.objects.bulk_create(
        (
            PushToken(
                device=each,
                user_id=each.user_id,
                provider="fcm",
                token=f"bench-{each.pk}",
                digest=each.pk.to_bytes(32, "big"),
                created_at=now,
            )
            for each in made
        ),
        batch_size=5000,
    )
    return [each.pk for each in made]


def members(conversation_id: int, notify: str) -> list[int]:
    """Give all members of a group this notify level; return them."""
    seats = Membership.objects.filter(conversation_id=conversation_id)
    seats.update(notify=notify)
    return list(seats.order_by("id").values_list("user_id", flat=True))


def connect(device_ids: list[int]) -> None:
    """Let these devices hold sockets of some process."""
    store = redis.Redis.from_url(settings.IM_REDIS_URL)
    store.zadd("im:online", {"im:online:bench": time.time()})
    for start in range(0, len(device_ids), 5000):
        store.sadd("im:online:bench", *device_ids[start : start + 5000])


def call_all(conversation_id: int, sender_id: int) -> None:
    """Say something to everybody."""
    message = {"client_id": str(uuid4()), "text": "everybody", "mentions": "all"}
    [result] = log.append_many([drafts.parse(conversation_id, sender_id, message)], now=clock.now())
    if isinstance(result, Exception):
        raise result


def look() -> dict[str, float]:
    """Look at all that waits; return the seconds, of CPU too, and how many debts there are then."""
    start, spent = time.perf_counter(), time.process_time()
    while looks.look(now=clock.now()):
        pass
    seconds, spent = time.perf_counter() - start, time.process_time() - spent
    owed = Debt.objects.filter(due_at__isnull=False).count()
    return {"seconds": seconds, "cpu": spent, "owed": owed}


def settle_all() -> None:
    """Forget what is owed."""
    Debt.objects.all().delete()


def send_to(environment: dict[str, str], route: str) -> None:
    """Send pushes to a stand-in."""
    for name, value in environment.items():
        told = json.loads(value) if name == "IM_FCM_SERVICE_ACCOUNT" else value
        setattr(settings, name, told)
    settings.PUSH_ROUTES = {**settings.PUSH_ROUTES, route: route}


def drain() -> dict[str, float]:
    """Push all that is owed, as one task of a worker after the other; return the seconds."""
    start, spent = time.perf_counter(), time.process_time()
    while sweep.run(clock.now, budget=20.0):
        pass
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - spent}


def pushes() -> dict[str, int]:
    """Return how many decisions say `pushed`, and for how many (device, conversation)."""
    found = Decision.objects.filter(outcome="pushed")
    pairs = found.values("device_id", "conversation_id").annotate(n=Count("id")).count()
    return {"pushed": found.count(), "pairs": pairs}


ASKED: dict[str, Any] = {
    each.__name__: each
    for each in (call_all, connect, drain, look, members, pushes, send_to, settle_all, woken)
}
