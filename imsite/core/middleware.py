"""The request id for all, and Django's page middlewares for pages only."""

import random
import re
from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

API = "/api/v1/"
# Asked by machines, under whatever host name, every second: they need no session and no host check.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
Handler = Callable[[HttpRequest], HttpResponse]


class RequestId:
    """Echo a good X-Request-Id or make one, so that a client's report finds its log line."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        made = request_id(request.META.get("HTTP_X_REQUEST_ID", ""))
        request.request_id = made  # type: ignore[attr-defined]  # read by core.envelope
        response = self.get_response(request)
        response.headers["X-Request-Id"] = made
        return response


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
