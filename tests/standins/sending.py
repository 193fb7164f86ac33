"""Pushes to make and send in tests, through the transport as the sweep does."""

import json
from datetime import timedelta

from imsite.core import clock
from push import transport
from push.providers.base import Push, Target
from tests.standins.running import Standin

TITLE, TEXT = "Alice in a group", "what nobody else may see"


def push_of(**changed) -> Push:
    """Return a push of conversation 7 up to 42, with what is given in place of the usual."""
    usual = {
        "conversation_id": 7,
        "seq": 42,
        "badge": 3,
        "title": TITLE,
        "text": TEXT,
        "silent": False,
        "expires_at": clock.now() + timedelta(days=7),
    }
    return Push(**{**usual, **changed})


def token_of(standin: Standin, name: str) -> str:
    """Return a device's token at a stand-in, from a name of hexadecimal digits."""
    if standin.route != "webpush":
        return name
    return json.dumps(standin.do("subscribe", names=[name])[0])


def target_of(standin: Standin, name: str = "abcdef0123456789", **changed) -> Target:
    """Return a device that a stand-in serves."""
    provider = "fcm" if standin.route == "webhook" else standin.route
    usual = {"device_id": 9, "provider": provider, "token": token_of(standin, name), "app": ""}
    return Target(**{**usual, **changed})


def send(target: Target, push: Push | None = None) -> str:
    """Hand over a push now."""
    return transport.deliver(target, push or push_of(), now=clock.now())
