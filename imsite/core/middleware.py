"""The request id, the clock and the access log for all; Django's page middlewares for pages only."""

import logging
import random
import re
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from imsite.core import logs, metrics

log = logging.getLogger("imsite.access")
API = "/api/v1/"
# Asked by machines, under whatever host name, every second: they need no session and no host check.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
# Seconds from which on a request is worth a line.
_SLOW = 1.0
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
Handler = Callable[[HttpRequest], HttpResponse]


class RequestId:
    """Echo a good X-Request-Id or make one, so that a client's report finds its log line.

    It also takes the time: a middleware of its own would cost as much again.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.notes_all = settings.IM_ACCESS_LOG

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        made = request_id(request.META.get("HTTP_X_REQUEST_ID", ""))
        request.request_id = made  # type: ignore[attr-defined]  # read by core.envelope
        logs.request_id.set(made)
        response = self.get_response(request)
        response.headers["X-Request-Id"] = made
        seconds = time.perf_counter() - began
        status, found = response.status_code, request.resolver_match
        route = found.route if found else None
        metrics.answered(route, request.method or "", status, seconds)
        if self.notes_all or status >= 500 or seconds > _SLOW:
            _note(request, response, route, seconds)
        logs.request_id.set("")
        return response


def _note(request: HttpRequest, response: HttpResponse, route: str | None, seconds: float) -> None:
    """Write the line of a request: by the pattern of its path, since a path can be anything."""
    method, operation = metrics.method(request.method), metrics.operation(route)
    user = vars(request).get("user")
    extra = {
        "method": method,
        "operation": operation,
        "status": response.status_code,
        "ms": round(seconds * 1000, 1),
        "bytes": None if response.streaming else len(response.content),
        # A page's user would have to be asked of the database.
        "user_id": None if isinstance(user, SimpleLazyObject) else getattr(user, "user_id", None),
    }
    level = logging.WARNING if response.status_code >= 500 or seconds > _SLOW else logging.INFO
    log.log(level, "%s %s %d", method, operation, response.status_code, extra=extra)


def request_id(given: str) -> str:
    """Return the id that a client gave if it is a good one, else a new one."""
    # Nobody gains by guessing one, and the system's random numbers cost a call into the kernel.
    return given if _GOOD_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"


def _passes_by(request: HttpRequest) -> bool:
    return request.path_info.startswith(API) or request.path_info in PROBES


class Pages:
    """The middlewares of pages, passed by for the API: they cost 270 µs a request (design §5).

    All of IM_PAGE_MIDDLEWARE in one, since the API would pay for passing each by.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.pages: Any = get_response
        self.looks: list[Any] = []
        for name in reversed(settings.IM_PAGE_MIDDLEWARE):
            made = import_string(name)(self.pages)
            # CSRF does its work here; the API has no cookies to forge.
            if look := getattr(made, "process_view", None):
                self.looks.insert(0, look)
            self.pages = convert_exception_to_response(made)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _passes_by(request):
            return self.get_response(request)
        response: HttpResponse = self.pages(request)
        return response

    def process_view(self, request: HttpRequest, *call: Any) -> Any:
        """Ask those who look at the view that was found, too."""
        if _passes_by(request):
            return None
        answers = (look(request, *call) for look in self.looks)
        return next((each for each in answers if each is not None), None)
