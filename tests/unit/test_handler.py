"""The handler: what it remembers of paths, and what it forgets."""

from io import BytesIO

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory
from django.urls import Resolver404, resolve

from imsite.core import handler


@pytest.fixture
def resolved():
    """Return the route that the handler finds for a path."""
    handler._remembered.cache_clear()
    application = handler.Handler()
    return lambda path: application.resolve_request(RequestFactory().get(path))


def kept():
    return handler._remembered.cache_info().currsize


@pytest.mark.parametrize("path", ["/api/v1/sync", "/api/v1/conversations/7/messages", "/admin/"])
def test_it_finds_what_django_finds_the_second_time_too(resolved, path):
    for _ in range(2):
        found, meant = resolved(path), resolve(path)
        assert (found.func, found.kwargs, found.route) == (meant.func, meant.kwargs, meant.route)
    assert kept() == 1


def test_two_paths_of_a_route_keep_their_own_arguments(resolved):
    first, second = (resolved(f"/api/v1/conversations/{id}/messages") for id in (7, 8))
    assert (first.kwargs["conversation_id"], second.kwargs["conversation_id"]) == (7, 8)


def test_what_is_not_there_is_not_remembered(resolved):
    for path in ("/nothing", "/nothing/" + "x" * 200):
        with pytest.raises(Resolver404):
            resolved(path)
    assert kept() == 0


def test_long_paths_are_found_and_not_remembered(resolved):
    assert resolved("/api/v1/" + "x" * 200).route == "^api/v1(/.*)?$"
    assert kept() == 0


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"PATH_INFO": "/api/v1/ünï".encode().decode("latin-1")},
        {"SCRIPT_NAME": "/below"},
        {"CONTENT_LENGTH": "2", "CONTENT_TYPE": "application/json"},
        {"CONTENT_LENGTH": "many"},
        {"CONTENT_LENGTH": "²"},
        {"CONTENT_LENGTH": "-1", "REQUEST_METHOD": "post"},
    ],
)
def test_a_request_says_what_django_s_does(more):
    environ = RequestFactory().get("/api/v1/sync?limit=1").environ | {"HTTP_X": "y"} | more
    lean, whole = (
        made(environ | {"wsgi.input": BytesIO(b"{}")}) for made in (handler.Request, WSGIRequest)
    )
    for name in ("path", "path_info", "method", "content_type", "scheme", "GET", "headers"):
        assert getattr(lean, name) == getattr(whole, name), name
    assert lean.read() == whole.read()
