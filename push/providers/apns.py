"""Apple's push service, over HTTP/2 with a provider token: iPhones, iPads, Macs."""

import re
import threading
import time
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings

from push.providers import content
from push.providers.base import Push, PushFailed, Target
from push.providers.http import Answer
from push.providers.http2 import Http2
from push.providers.line import Line
from push.providers.signing import seconds, signed

# Seconds for which a provider token is used. Apple refuses those older than an hour, and whoever
# makes more than one in twenty minutes.
_USED, _LEAST = 3000, 1200
_TOKEN = re.compile(r"[0-9A-Fa-f]{8,200}")
_TOPIC = re.compile(r"[A-Za-z0-9.\-]{1,155}")
_CONSTANT = re.compile(r"[A-Za-z]{1,64}")
# Of these the device token is at fault; the list is Apple's.
_GONE = {"BadDeviceToken", "DeviceTokenNotForTopic", "ExpiredToken", "Unregistered"}
# Of these the client's app is, where the client named it.
_TOPICS = {"BadTopic", "TopicDisallowed"}


class Apns:
    """Sends by the key of IM_APNS_KEY."""

    def __init__(self) -> None:
        self._http = Http2()
        self._line = Line("apns", seconds=settings.IM_PUSH_TIMEOUT)
        self._signer = Signer()

    def lane(self, target: Target) -> str:
        """Return its name: all targets share one fate."""
        return "apns"

    def send(self, target: Target, push: Push, *, now: datetime) -> str:
        """Hand over one push; return its apns-id, or raise PushFailed."""
        app = target.app or settings.IM_APNS_TOPIC
        if not (_TOKEN.fullmatch(target.token) and _TOPIC.fullmatch(app)):
            raise PushFailed("no token or app of Apple's", gone=True)
        headers, body = {**about(push, now=now), "apns-topic": app}, message(push)
        return self._line.run(lambda: self._send(target, headers, body, now))

    def close(self) -> None:
        """Close the connections."""
        self._line.close(self._http.close)

    async def _send(
        self, target: Target, headers: dict[str, str], body: bytes, now: datetime
    ) -> str:
        answer = await self._post(target, headers, body, now)
        if reason(answer) == "ExpiredProviderToken":
            answer = await self._post(target, headers, body, now)
        if answer.status != 200:
            raise failure(answer, target, now=now)
        return answer.headers.get("apns-id", "")

    async def _post(
        self, target: Target, headers: dict[str, str], body: bytes, now: datetime
    ) -> Answer:
        token = self._signer.token(now=now)
        answer = await self._http.post(
            f"{settings.IM_APNS_URL}/3/device/{target.token}",
            headers={"authorization": f"bearer {token}", **headers},
            body=body,
        )
        if reason(answer) == "ExpiredProviderToken":
            self._signer.refused(token)
        return answer


class Signer:
    """Makes provider tokens no oftener than Apple bears."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token = ""
        self._made = 0.0

    def token(self, *, now: datetime) -> str:
        """Return a token that Apple takes."""
        with self._lock:
            if not self._token or time.monotonic() - self._made >= _USED:
                self._token = signed(
                    {"iss": settings.IM_APNS_TEAM_ID, "iat": seconds(now)},
                    settings.IM_APNS_KEY,
                    algorithm="ES256",
                    key_id=settings.IM_APNS_KEY_ID,
                )
                self._made = time.monotonic()
            return self._token

    def refused(self, token: str) -> None:
        """Note that Apple takes a token for expired, as after a clock was set; the next is another."""
        with self._lock:
            if token == self._token:
                self._token = ""


def about(push: Push, *, now: datetime) -> dict[str, str]:
    """Return the headers of a push."""
    left = content.seconds_left(push, now=now)
    return {
        "apns-push-type": "background" if push.silent else "alert",
        # Apple refuses background ones with a higher priority.
        "apns-priority": "5" if push.silent else "10",
        "apns-expiration": str(int(now.timestamp()) + left if left else 0),
        "apns-collapse-id": str(push.conversation_id),
        "content-type": "application/json",
    }


def message(push: Push) -> bytes:
    """Return the body of a push, in at most 4,096 bytes."""
    facts = content.facts(push)
    if push.silent:
        return orjson.dumps({"aps": {"content-available": 1}, **facts})
    aps: dict[str, Any] = {
        "badge": push.badge,
        "sound": "default",
        "thread-id": str(push.conversation_id),
    }

    def make(title: str | None, text: str | None) -> bytes:
        said = {"title": title, "body": text}
        alert = {name: value for name, value in said.items() if value is not None}
        return orjson.dumps({"aps": {"alert": alert, **aps}, **facts})

    return content.fitted(make, content.shown(push), longest=content.LONGEST)


def reason(answer: Answer) -> str:
    """Return Apple's word for what is wrong; a constant, never what was sent."""
    if answer.status == 200:
        return ""
    found = str(answer.json().get("reason"))
    return found if _CONSTANT.fullmatch(found) else "without a reason"


def failure(answer: Answer, target: Target, *, now: datetime) -> PushFailed:
    """Return what an answer other than 200 means."""
    why, wait = reason(answer), answer.retry_after(now)
    said = f"{answer.status} {why}"
    if answer.status == 410 or why in _GONE or (target.app and why in _TOPICS):
        # Registered again since Apple last knew it for dead: it stays, and is tried again.
        return PushFailed(said, gone=not _was_before(answer, target))
    if answer.status in (400, 413) or why == "TooManyRequests":
        # Of this token or this push, and nobody else's.
        return PushFailed(said, retry_after=wait)
    return PushFailed(said, retry_after=wait, unwell=True)


def _was_before(answer: Answer, target: Target) -> bool:
    """Say whether a token died, by Apple's timestamp (ms), before its device registered it."""
    died = answer.json().get("timestamp")
    if answer.status != 410 or not isinstance(died, int) or target.registered_at is None:
        return False
    return died < target.registered_at.timestamp() * 1000
