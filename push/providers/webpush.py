"""Web Push: browsers. Encrypts for the subscription and signs as the application server (VAPID)."""

import base64
import re
import threading
import time
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.conf import settings

from push.providers import content, vapid
from push.providers.base import Push, PushFailed, Target
from push.providers.http import Answer, Http
from push.providers.line import Line
from push.providers.signing import seconds, signed

# Seconds a signature lives (a day is the most), and for which it is used again.
_SIGNATURE_LIVES, _SIGNATURE_USED = 43_200, 21_600
# Servers whose signatures are kept: clients name them.
_SIGNATURES = 1000
_HOST = re.compile(r"[A-Za-z0-9.\-:\[\]]+")

public_key = vapid.public_key


class WebPush:
    """Sends to whatever push service a subscription names."""

    def __init__(self) -> None:
        self._http = Http(private=settings.IM_WEBPUSH_PRIVATE)
        self._line = Line("webpush", seconds=settings.IM_PUSH_TIMEOUT)
        self._key = vapid.private_key()
        self._signatures: dict[str, tuple[float, str]] = {}
        self._signing = threading.Lock()

    def lane(self, target: Target) -> str:
        """Return the push service's origin: clients name it, and theirs may be down on purpose."""
        return f"webpush {_origin(_subscription(target)['endpoint'])}"

    def send(self, target: Target, push: Push, *, now: datetime) -> str:
        """Hand over one push; return where the service keeps it (or ""), or raise PushFailed."""
        subscription = _subscription(target)
        endpoint = subscription["endpoint"]
        body = _encrypted(subscription, message(push))
        headers = {
            "Authorization": self._signature(_origin(endpoint), now=now),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(content.seconds_left(push, now=now)),
            "Topic": topic(push),
            "Urgency": "normal" if push.silent else "high",
        }
        return self._line.run(lambda: self._send(endpoint, headers, body, now))

    def close(self) -> None:
        """Close the connections."""
        self._line.close(self._http.close)

    async def _send(
        self, endpoint: str, headers: dict[str, str], body: bytes, now: datetime
    ) -> str:
        answer = await self._http.post(endpoint, headers=headers, body=body)
        if answer.status not in (200, 201, 202, 204):
            raise failure(answer, now=now)
        # The address of the message at the service is as secret as the subscription's.
        return ""

    def _signature(self, origin: str, *, now: datetime) -> str:
        # Many pushes begin at once, and one signature is enough for all.
        with self._signing:
            kept = self._signatures.get(origin)
            if kept and time.monotonic() < kept[0]:
                return kept[1]
            return self._sign(origin, now=now)

    def _sign(self, origin: str, *, now: datetime) -> str:
        claims = {
            "aud": origin,
            "exp": seconds(now) + _SIGNATURE_LIVES,
            "sub": settings.IM_VAPID_SUBJECT,
        }
        made = f"vapid t={signed(claims, self._key, algorithm='ES256')},k={vapid.public_key()}"
        if len(self._signatures) >= _SIGNATURES:
            self._signatures.clear()
        self._signatures[origin] = (time.monotonic() + _SIGNATURE_USED, made)
        return made


def message(push: Push) -> bytes:
    """Return what the service worker gets, in at most 3,993 bytes."""
    about = content.facts(push)

    def make(title: str | None, text: str | None) -> bytes:
        return orjson.dumps({**about, "title": title, "text": text})

    return content.fitted(make, push, longest=content.LONGEST_WEBPUSH)


def topic(push: Push) -> str:
    """Return what the service replaces by: at most 32 letters of base64url."""
    return f"c{push.conversation_id}"


def failure(answer: Answer, *, now: datetime) -> PushFailed:
    """Return what an answer that is no success means."""
    reason, wait = str(answer.status), answer.retry_after(now)
    if answer.status in (404, 410):
        return PushFailed(reason, gone=True)
    # 429 is said of one device by those who say it, 401 and 403 of a subscription made for another
    # key: neither must silence the service for everybody.
    return PushFailed(reason, retry_after=wait, unwell=not 400 <= answer.status < 500)


def _subscription(target: Target) -> dict[str, Any]:
    """Return a subscription that can be pushed to; raise PushFailed if it never can."""
    try:
        found = orjson.loads(target.token)
        point, secret = (_decoded(found["keys"][name]) for name in ("p256dh", "auth"))
        parts = urlsplit(found["endpoint"])
        safe = parts.scheme == "https" and parts.username is None
        whole = bool(parts.hostname and _HOST.fullmatch(parts.netloc)) and parts.port != 0
        if safe and whole and len(point) == 65 and point[0] == 4 and len(secret) == 16:
            return dict(found)
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise PushFailed("no subscription that can be pushed to", gone=True)


def _decoded(given: str) -> bytes:
    return base64.urlsafe_b64decode(given.encode("ascii") + b"=" * (-len(given) % 4))


def _origin(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(':443')}"


def _encrypted(subscription: dict[str, Any], said: bytes) -> bytes:
    # Imported where it is needed: it takes a second and 40 MB, and web processes only tell the key.
    from pywebpush import WebPusher

    try:
        return bytes(WebPusher(subscription).encode(said)["body"])
    except ValueError:
        # 65 bytes that are no point of the curve.
        raise PushFailed("no subscription that can be pushed to", gone=True) from None
