"""Access tokens of a Google service account: got by a signed grant, kept until shortly before their end."""

import asyncio
import time
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from push.providers.base import PushFailed
from push.providers.http import Http
from push.providers.signing import seconds, signed

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Seconds a grant lives: the most that Google allows.
_GRANT_LIVES = 3600
# Seconds before its end at which a token is renewed, so that none ends on its way.
_MARGIN = 300


class Account:
    """A service account, as its JSON file describes it; to be used on one loop."""

    def __init__(self, described: dict[str, Any], http: Http) -> None:
        self._email = described["client_email"]
        self._key = described["private_key"]
        self._key_id = described.get("private_key_id")
        self._url = described["token_uri"]
        self._http = http
        self._token = ""
        self._ends = 0.0
        self._fetching: asyncio.Task[str] | None = None

    async def token(self, *, now: datetime) -> str:
        """Return a token that lives, or raise PushFailed; many who need a new one fetch it once."""
        if self._token and time.monotonic() < self._ends:
            return self._token
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch(now))
            # Looked at even if all who wait have given up, or the loop complains.
            self._fetching.add_done_callback(lambda task: task.cancelled() or task.exception())
        # One that gives up must not take the answer from the others.
        return await asyncio.shield(self._fetching)

    def refused(self, token: str) -> None:
        """Note that a token was refused before its end; the next call gets another."""
        if token == self._token:
            self._token = ""

    async def _fetch(self, now: datetime) -> str:
        answer = await self._http.post(
            self._url,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode({"grant_type": _GRANT, "assertion": self._grant(now)}).encode(),
        )
        said = answer.json()
        token, lives = said.get("access_token"), said.get("expires_in")
        if answer.status != 200 or not isinstance(token, str) or not isinstance(lives, int):
            wait = answer.retry_after(now)
            raise PushFailed(f"no token: {answer.status}", unwell=True, retry_after=wait)
        self._token = token
        self._ends = time.monotonic() + max(lives - _MARGIN, lives / 2)
        return token

    def _grant(self, now: datetime) -> str:
        issued = seconds(now)
        claims = {
            "iss": self._email,
            "scope": SCOPE,
            "aud": self._url,
            "iat": issued,
            "exp": issued + _GRANT_LIVES,
        }
        return signed(claims, self._key, algorithm="RS256", key_id=self._key_id)
