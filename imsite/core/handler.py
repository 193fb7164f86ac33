"""Django's WSGI handler, spared what only a site with several URLconfs or cached routes of pages needs.

Under a profiler, signals at both ends of a request (old connections looked for twice, query logs, caches,
the thread's URLconf) took a third of a bare view, and finding the route a seventh.
"""

from functools import lru_cache
from typing import Any

import django
from django.core import signals
from django.core.cache import close_caches
from django.core.handlers import base
from django.core.handlers.wsgi import LimitedStream, WSGIHandler, WSGIRequest
from django.db import close_old_connections, connections, reset_queries
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch, get_resolver

from imsite.core.middleware import API

# Paths whose route is remembered: a client asks for the same few again and again.
_MOST = 10_000
# Characters of a path that is; nobody fills memory with long ones.
_LONGEST = 100


class Request(WSGIRequest):
    """A request of the API: Django's, without looks at what only Apache and forms have."""

    def __init__(self, environ: dict[str, Any]) -> None:
        """Take what a server says of a request."""
        path = environ["PATH_INFO"]
        if environ.get("SCRIPT_NAME") or not path.isascii():
            super().__init__(environ)
            return
        self.environ = self.META = environ
        self.path = self.path_info = path
        self.method = environ["REQUEST_METHOD"].upper()
        self.content_type, self.content_params = environ.get("CONTENT_TYPE", ""), {}
        told = environ.get("CONTENT_LENGTH") or ""
        length = int(told) if told.isdecimal() else 0
        self._stream = LimitedStream(environ["wsgi.input"], length)  # type: ignore[assignment]
        self._read_started = False
        self.resolver_match = None


class Handler(WSGIHandler):
    """The application as a WSGI server calls it.

    What concerns pages alone (a prefix of links, cookies, files, templates, transactions of a whole
    request, views that are coroutines) is passed by for the API: it was a sixth of a bare view.
    """

    def __call__(self, environ: dict[str, Any], start_response: Any) -> HttpResponse:
        """Answer one request as WSGI has it."""
        if not environ["PATH_INFO"].startswith(API):
            return super().__call__(environ, start_response)  # type: ignore[return-value]
        response = self.get_response(Request(environ))
        start_response(f"{response.status_code} {response.reason_phrase}", [*response.items()])
        return response

    def get_response(self, request: HttpRequest) -> HttpResponse:
        """Answer a request, on a connection to the database that is not known to be gone.

        What broke is logged where it broke, and refusals are in the access log.
        """
        connections["default"].close_if_unusable_or_obsolete()
        response: HttpResponse = self._middleware_chain(request)  # type: ignore[attr-defined]
        response._resource_closers.append(request.close)  # type: ignore[attr-defined]
        return response

    def _get_response(self, request: HttpRequest) -> HttpResponse:
        """Find the view and call it."""
        if not request.path_info.startswith(API):
            return super()._get_response(request)  # type: ignore[misc,no-any-return]
        found = self.resolve_request(request)
        response: HttpResponse = found.func(request, *found.args, **found.kwargs)
        return response

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Find the route of a request and keep it on it."""
        found = route(request.path_info)
        request.resolver_match = found
        return found


def route(path: str) -> ResolverMatch:
    """Return the route of a path; raise Resolver404 if there is none."""
    return _remembered(path) if len(path) <= _LONGEST else get_resolver().resolve(path)


@lru_cache(maxsize=_MOST)
def _remembered(path: str) -> ResolverMatch:
    # What is not there raises, and is not remembered.
    return get_resolver().resolve(path)


def application() -> Handler:
    """Set Django up and return the application."""
    django.setup(set_prefix=False)
    # What they do is done above, once, or is never needed: one URLconf, no query log, no cache to close.
    signals.request_started.disconnect(reset_queries)
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_caches)
    signals.request_finished.disconnect(base.reset_urlconf)
    return Handler()
