"""The doors for those who run it, and the page for the newcomer: none of them in the envelope (API §9)."""

import logging
import secrets
from functools import cache
from typing import Any

import orjson
import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from conversations import upkeep
from imsite import greeting, prepare
from imsite.core import clock

log = logging.getLogger("imsite.operations")
# Seconds that the store has to answer: longer than a busy one needs, shorter than a probe waits.
STORE_TIMEOUT = 0.5
# The pages work without the internet, and this makes sure that they stay so.
_ONLY_OURS = "default-src 'self' 'unsafe-inline' data:; frame-ancestors 'none'"
_DOWN = (DatabaseError, redis.RedisError, OSError)
_state = {"migrated": False}


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers; it asks nobody else."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether all that a request may need is there: 200 or 503, with each part by name."""
    checks = {
        "database": _database,
        "migrations": _migrations,
        # One store serves both today; they are two names in the contract.
        "cache": _store,
        "broker": _store,
    }
    parts = {name: _outcome(name, check) for name, check in checks.items()}
    ready = all(outcome == "ok" for outcome in parts.values())
    said = {"status": "ok" if ready else "unavailable", "parts": parts, "chores": _chores()}
    return JsonResponse(said, status=200 if ready else 503)


def _chores() -> dict[str, Any]:
    """Tell how the chores went: to be read, no reason to send nobody here."""
    try:
        return upkeep.standing(now=clock.now())
    except DatabaseError:
        return {}


def _outcome(name: str, check: Any) -> str:
    try:
        return "ok" if check() else "pending"
    except _DOWN as error:
        # The reason may hold addresses and names: it is for the log alone.
        log.warning("not ready: %s: %s", name, error)
        return "down"


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() is not None


def _migrations() -> bool:
    if not _state["migrated"]:
        _state["migrated"] = not prepare.migrations_pending()
    return _state["migrated"]


def _store() -> bool:
    return bool(_client().ping())


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.IM_REDIS_URL,
        socket_timeout=STORE_TIMEOUT,
        socket_connect_timeout=STORE_TIMEOUT,
    )


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """Tell a newcomer what this is, and give three lines that work as they stand."""
    # A name of its own for each visit, so that the first line never meets a name that is taken.
    guest = f"guest-{secrets.token_hex(3)}"
    logins = greeting.demo_logins()
    context = {
        "base": f"{request.scheme}://{request.get_host()}",
        "socket": f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}/ws",
        "guest": guest,
        "logins": logins,
        "login": logins[0] if logins else {"username": guest, "password": f"a-long-{guest}"},
    }
    return _page(request, "home.html", context)


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """Give the OpenAPI description."""
    return HttpResponse(_rendered_schema(), content_type="application/json")


@cache
def _rendered_schema() -> bytes:
    return orjson.dumps(SchemaGenerator().get_schema(request=None, public=True))


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the description, ready to be tried; every file of the page comes from this server."""
    return _page(request, "docs.html", {})


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    response = render(request, template, context)
    response.headers["Content-Security-Policy"] = _ONLY_OURS
    return response
