"""Firebase Cloud Messaging, HTTP v1: Android, and whatever else has an FCM token."""

import re
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings

from push.providers import content
from push.providers.base import Push, PushFailed, Target
from push.providers.http import Answer, Http
from push.providers.line import Line
from push.providers.oauth import Account

_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
# 401 of the service behind FCM (APNs, Web Push), whose keys are set up at FCM; not of our token.
_THIRD_PARTY = "THIRD_PARTY_AUTH_ERROR"
_CONSTANT = re.compile(r"[A-Z_]{1,64}")


class Fcm:
    """Sends by the service account of IM_FCM_SERVICE_ACCOUNT."""

    def __init__(self) -> None:
        described = settings.IM_FCM_SERVICE_ACCOUNT
        self._url = f"{settings.IM_FCM_URL}/v1/projects/{described['project_id']}/messages:send"
        self._http = Http()
        self._account = Account(described, self._http)
        self._line = Line("fcm", seconds=settings.IM_PUSH_TIMEOUT)

    def lane(self, target: Target) -> str:
        """Return its name: all targets share one fate."""
        return "fcm"

    def send(self, target: Target, push: Push, *, now: datetime) -> str:
        """Hand over one push; return its name at FCM, or raise PushFailed."""
        body = message(target, push, now=now)
        return self._line.run(lambda: self._send(body, now))

    def close(self) -> None:
        """Close the connections."""
        self._line.close(self._http.close)

    async def _send(self, body: bytes, now: datetime) -> str:
        answer = await self._post(body, now)
        if _refuses_us(answer):
            # Revoked, or our clock was set: once more, with another token.
            answer = await self._post(body, now)
        if answer.status != 200:
            raise failure(answer, now=now)
        return str(answer.json().get("name", ""))

    async def _post(self, body: bytes, now: datetime) -> Answer:
        token = await self._account.token(now=now)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answer = await self._http.post(self._url, headers=headers, body=body)
        if _refuses_us(answer):
            self._account.refused(token)
        return answer


def message(target: Target, push: Push, *, now: datetime) -> bytes:
    """Return the request for a push, in at most 4,096 bytes."""
    about = content.facts(push)
    conversation = str(push.conversation_id)
    android: dict[str, Any] = {
        # What FCM replaces while a device is away (docs/decisions/0012-fcm-collapse-keys.md).
        "collapse_key": conversation,
        "priority": "NORMAL" if push.silent else "HIGH",
        "ttl": f"{content.seconds_left(push, now=now)}s",
    }
    if not push.silent:
        # What the device replaces once it is shown.
        android["notification"] = {"tag": conversation, "notification_count": push.badge}
    basis = {"token": target.token, "android": android}
    basis["data"] = {name: orjson.dumps(value).decode() for name, value in about.items()}

    def make(title: str | None, text: str | None) -> bytes:
        said = {"title": title, "body": text}
        found = {name: value for name, value in said.items() if value is not None}
        return orjson.dumps({"message": {**basis, "notification": found} if found else basis})

    return content.fitted(make, content.shown(push), longest=content.LONGEST)


def failure(answer: Answer, *, now: datetime) -> PushFailed:
    """Return what an answer other than 200 means."""
    error = _error(answer)
    code, details = _code(error), _details(error)
    reason, wait = f"{answer.status} {code}", answer.retry_after(now)
    if code in ("UNREGISTERED", "SENDER_ID_MISMATCH"):
        return PushFailed(reason, gone=True)
    if answer.status == 400:
        return PushFailed(reason, gone=_blames_token(str(error.get("message")), details))
    ours = code == _THIRD_PARTY or (answer.status == 429 and _is_of_device(details))
    return PushFailed(reason, retry_after=wait, unwell=not ours)


def _refuses_us(answer: Answer) -> bool:
    return answer.status == 401 and _code(_error(answer)) != _THIRD_PARTY


def _error(answer: Answer) -> dict[str, Any]:
    found = answer.json().get("error")
    return found if isinstance(found, dict) else {}


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    found = error.get("details")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _code(error: dict[str, Any]) -> str:
    """Return the code of FCM, else of Google's status; names of constants, never what was sent."""
    codes = [each.get("errorCode") for each in _details(error) if each.get("@type") == _ERROR]
    found = str(codes[0] if codes else error.get("status"))
    return found if _CONSTANT.fullmatch(found) else "without a reason"


def _blames_token(said: str, details: list[dict[str, Any]]) -> bool:
    # INVALID_ARGUMENT is said of a malformed token and of a malformed message alike: a fault of
    # ours must not make us forget everybody's tokens.
    fields = [each.get("field") for each in _violations(details, "fieldViolations")]
    return fields == ["message.token"] or (not fields and "registration token" in said)


def _is_of_device(details: list[dict[str, Any]]) -> bool:
    found = _violations(details, "violations")
    return bool(found) and all("device" in str(each).lower() for each in found)


def _violations(details: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    lists = [each[name] for each in details if isinstance(each.get(name), list)]
    return [each for found in lists for each in found if isinstance(each, dict)]
