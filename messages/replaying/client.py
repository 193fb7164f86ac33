"""A client of a replay: one account, and calls that are repeated until the server has answered."""

import asyncio
import random
import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx

from messages.replaying.tally import Tally

# Seconds for which one call is tried.
PATIENCE = 60.0
_BUSY = (429, 502, 503, 504)


class Refused(Exception):
    """The server says no, in words for a person."""


class GaveUp(Exception):
    """The server did not answer for a minute: nobody knows what became of the call."""


@dataclass(slots=True)
class Client:
    """One signed-in user; all share one pool of connections."""

    http: httpx.AsyncClient
    tally: Tally
    user_id: int = 0
    access: str = ""
    refresh: str = ""

    async def register(self, username: str) -> None:
        """Make an account, under a password that nobody keeps."""
        fields = {"username": username, "password": secrets.token_urlsafe(24)}
        data = await self.call("POST", "accounts/register", fields)
        self.user_id = data["user"]["id"]
        self.access, self.refresh = data["access"], data["refresh"]

    async def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Return the `data` of the answer; raise Refused or GaveUp.

        While the server is busy or silent it is asked again: a send carries the same client_id.
        """
        pause, deadline = 0.1, time.monotonic() + PATIENCE
        while True:
            answer, wait = await self._ask(method, path, body)
            if answer is not None and (data := await self._data(answer, path)) is not None:
                return data
            if time.monotonic() + wait > deadline:
                raise GaveUp(f"{path}: no answer for {PATIENCE:.0f} s (asked to wait {wait:.0f} s)")
            await asyncio.sleep(max(wait, pause * random.uniform(0.5, 1.5)))
            pause = min(pause * 2, 5.0)

    async def _ask(self, method: str, path: str, body: Any) -> tuple[httpx.Response | None, float]:
        """Return the answer, or None and how many seconds the server wants to be left alone."""
        headers = {"Authorization": f"Bearer {self.access}"} if self.access else {}
        try:
            answer = await self.http.request(method, path, json=body, headers=headers)
        except httpx.TransportError as error:
            self.tally.retries[type(error).__name__] += 1
            return None, 0.0
        if answer.status_code in _BUSY:
            self.tally.retries[str(answer.status_code)] += 1
            return None, float(answer.headers.get("Retry-After", 0))
        return answer, 0.0

    async def _data(self, answer: httpx.Response, path: str) -> dict[str, Any] | None:
        """Return what is in the envelope; None after the token was renewed."""
        try:
            envelope: dict[str, Any] = answer.json()
            code, error = envelope["code"], envelope["error"]
        except (ValueError, KeyError, TypeError):
            raise Refused(f"{path}: {answer.status_code}, but no envelope") from None
        if error == "token_expired":
            await self._renew()
            return None
        if code:
            raise Refused(f"{error}: {envelope['message']}")
        data: dict[str, Any] = envelope["data"]
        return data

    async def _renew(self) -> None:
        self.access = ""
        data = await self.call("POST", "accounts/token/refresh", {"refresh": self.refresh})
        self.access, self.refresh = data["access"], data["refresh"]
