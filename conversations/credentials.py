"""Who opens a socket: Origin and credentials of a handshake (API §6)."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from accounts import tokens
from accounts.tokens import Caller
from imsite.core import clock, limits, strict
from imsite.core.errors import AppError, Code

PROTOCOL = "im.v1"
_BEARER = "bearer."
_ID = re.compile(r"[0-9]{1,16}", re.ASCII)
_PORTS = {"http": 80, "https": 443}


class Refused(AppError):
    """This socket is not opened."""

    code = Code.FORBIDDEN


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a handshake shows: a ticket of a user, or an access token."""

    ticket: str | None = None
    access: str | None = None
    user_id: int | None = None


def read(scope: dict[str, Any]) -> Credentials:
    """Return what the handshake shows; raise an AppError if it is no good at first sight."""
    headers = _headers(scope)
    _check_origin(headers)
    query = strict.parse_query(scope.get("query_string", b"").decode("latin-1"))
    user_id = _user_id(query.get("id"))
    if "token" in query:
        if user_id is None:
            raise Refused
        return Credentials(ticket=query["token"], user_id=user_id)
    access = _access(headers.get("authorization", [""]), scope.get("subprotocols") or [])
    return Credentials(access=access, user_id=user_id)


def admit(shown: Credentials) -> Caller:
    """Return who opens the socket; raise an AppError. Asks the database and the limiter."""
    now = clock.now()
    if shown.ticket is not None and shown.user_id is not None:
        caller = tokens.use_ticket(shown.ticket, user_id=shown.user_id, now=now)
    else:
        caller = tokens.verify(shown.access or "", now=now)
        if shown.user_id not in (None, caller.user_id):
            raise Refused
    limits.hit("socket", f"u{caller.user_id}")
    return caller


def protocol(scope: dict[str, Any]) -> str | None:
    """Return the subprotocol that the answer picks."""
    return PROTOCOL if PROTOCOL in (scope.get("subprotocols") or []) else None


def _headers(scope: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _user_id(given: str | None) -> int | None:
    if given is None:
        return None
    if not _ID.fullmatch(given):
        raise Refused
    return int(given)


def _access(authorization: list[str], offered: list[str]) -> str:
    scheme, _, access = authorization[0].partition(" ")
    if len(authorization) == 1 and scheme.lower() == "bearer":
        return access.strip()
    if PROTOCOL in offered:
        for each in offered:
            if each.startswith(_BEARER):
                return each.removeprefix(_BEARER)
    raise Refused


def _check_origin(headers: dict[str, list[str]]) -> None:
    """Refuse pages of other sites: a browser lets any page open a socket anywhere."""
    for origin in headers.get("origin", []):
        if origin.lower() in {each.lower().rstrip("/") for each in settings.IM_ORIGINS}:
            continue
        if not _is_here(origin, headers.get("host", [""])[0]):
            raise Refused


def _is_here(origin: str, host: str) -> bool:
    try:
        theirs = urlsplit(origin)
        ours = urlsplit(f"{theirs.scheme}://{host}")
        return bool(theirs.hostname) and _place(theirs) == _place(ours)
    except ValueError:
        return False


def _place(url: SplitResult) -> tuple[str | None, int | None]:
    return url.hostname, url.port or _PORTS.get(url.scheme)
