"""The site's routes and one more: a bare Django view, the ceiling of whatever answers as many bytes."""

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.urls import path

from imsite import urls

handler400, handler404, handler500 = urls.handler400, urls.handler404, urls.handler500


@cache
def _constant(size: int) -> bytes:
    return b"x" * size


def bare(request: HttpRequest, size: int) -> HttpResponse:
    """Answer with `size` bytes; it lies under /api/v1 so that it passes the same middlewares."""
    return HttpResponse(_constant(size), content_type="application/json")


# As what it is compared with.
bare.short = frozenset({"GET"})  # type: ignore[attr-defined]

urlpatterns = [path("api/v1/bare/<int:size>", bare), *urls.urlpatterns]
