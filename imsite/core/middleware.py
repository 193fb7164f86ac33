"""The request id, the clock and the access log for all; Django's page middlewares for pages only."""

import logging
import random
import re
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.functional import SimpleLazyObject
from django_otp.middleware import OTPMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

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


def pages_only(inner_class: Any) -> Callable[[Handler], Handler]:
    """Return the middleware, passed by for the API: seven of them cost 270 µs a request (design §5)."""

    def factory(get_response: Handler) -> Handler:
        inner = inner_class(get_response)

        def middleware(request: HttpRequest) -> HttpResponse:
            if _passes_by(request):
                return get_response(request)
            response: HttpResponse = inner(request)
            return response

        # CSRF does its work here; the API has no cookies to forge.
        if hasattr(inner, "process_view"):

            def process_view(request: HttpRequest, *call: Any) -> Any:
                return None if _passes_by(request) else inner.process_view(request, *call)

            middleware.process_view = process_view  # type: ignore[attr-defined]
        return middleware

    return factory


security = pages_only(SecurityMiddleware)
static_files = pages_only(WhiteNoiseMiddleware)
sessions = pages_only(SessionMiddleware)
common = pages_only(CommonMiddleware)
csrf = pages_only(CsrfViewMiddleware)
authentication = pages_only(AuthenticationMiddleware)
flashes = pages_only(MessageMiddleware)
clickjacking = pages_only(XFrameOptionsMiddleware)
one_time_codes = pages_only(OTPMiddleware)
