"""A signed POST to a server of the operator's: for vendors that we do not speak to.

Signed as Standard Webhooks has it, so that receivers find a library in their language.
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings

from imsite.core import clock
from push.providers import content
from push.providers.base import Push, PushFailed, Target
from push.providers.http import Http
from push.providers.line import Line


class Webhook:
    """Sends to IM_PUSH_WEBHOOK_URL."""

    def __init__(self) -> None:
        self._http = Http()
        self._line = Line("webhook", seconds=settings.IM_PUSH_TIMEOUT)

    def lane(self, target: Target) -> str:
        """Return its name: there is one receiver."""
        return "webhook"

    def send(self, target: Target, push: Push, *, now: datetime) -> str:
        """Hand over one push; return its id, or raise PushFailed."""
        body, name = message(target, push), identity(target, push)
        return self._line.run(lambda: self._send(name, body, now))

    def close(self) -> None:
        """Close the connections."""
        self._line.close(self._http.close)

    async def _send(self, name: str, body: bytes, now: datetime) -> str:
        moment = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": moment,
            "webhook-signature": signature(name, moment, body),
        }
        answer = await self._http.post(settings.IM_PUSH_WEBHOOK_URL, headers=headers, body=body)
        if 200 <= answer.status < 300:
            return name
        reason, wait = str(answer.status), answer.retry_after(now)
        if answer.status == 410:
            raise PushFailed(reason, gone=True)
        # What it says of one push says nothing of others; that it is busy or broken does.
        unwell = answer.status in (401, 403, 404, 429) or not 400 <= answer.status < 500
        raise PushFailed(reason, retry_after=wait, unwell=unwell)


def identity(target: Target, push: Push) -> str:
    """Return the id that a push has however often it is tried."""
    kind = "clear" if push.silent else "push"
    return f"{kind}-{target.device_id}-{push.conversation_id}-{push.seq}"


def message(target: Target, push: Push) -> bytes:
    """Return the body for a push, in at most 4,096 bytes and what the token takes."""
    basis: dict[str, Any] = {
        "provider": target.provider,
        "device_id": target.device_id,
        "app": target.app,
        **content.facts(push),
        "clear": push.silent,
        "expires_at": clock.wire(push.expires_at),
    }

    def make(title: str | None, text: str | None) -> bytes:
        return orjson.dumps({**basis, "title": title, "text": text})

    # A web push subscription can be long itself; it is not for the device, so it takes no room.
    fitted = orjson.loads(content.fitted(make, push, longest=content.LONGEST))
    return orjson.dumps({**fitted, "token": target.token})


def signature(name: str, moment: str, body: bytes) -> str:
    """Return the header that proves a body to be ours, and of that moment."""
    signed = b".".join([name.encode(), moment.encode(), body])
    made = hmac.digest(secret(settings.IM_PUSH_WEBHOOK_SECRET), signed, hashlib.sha256)
    return f"v1,{base64.b64encode(made).decode()}"


def secret(given: str) -> bytes:
    """Return the bytes of a secret: `whsec_` and base64, or any text."""
    if not given.startswith("whsec_"):
        return given.encode()
    try:
        return base64.b64decode(given.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return given.encode()
