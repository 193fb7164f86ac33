"""Pages of the admin that say no: what the domain refuses is told in its own words, never as a 500."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from imsite.core import envelope
from imsite.core.errors import AppError, Forbidden, InvalidRequest

View = Callable[..., Any]
_KNOWN = (
    AppError,
    Http404,
    PermissionDenied,
    SuspiciousOperation,
    OperationalError,
    InterfaceError,
    InternalError,
)


def guarded(view: View) -> View:
    """Return the view with a page for everything that it refuses."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            _refuse_nul(request)
            return view(request, *args, **kwargs)
        except _KNOWN as error:
            return page(request, error)

    return inner


def page(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the page for an error that staff may be told of."""
    told = Forbidden() if isinstance(error, PermissionDenied) else envelope.as_app_error(error)
    fields = (told.data or {}).get("fields", {})
    context = {
        "title": told.message,
        "fields": fields,
        "request_id": getattr(request, "request_id", ""),
    }
    response = render(request, "desk/refused.html", context, status=told.code.status)
    if told.retry_after is not None:
        response["Retry-After"] = str(max(1, round(told.retry_after)))
    return response


def _refuse_nul(request: HttpRequest) -> None:
    """Refuse what PostgreSQL cannot even be asked for."""
    if "\x00" in request.path or any(
        "\x00" in name + "".join(values) for name, values in request.GET.lists()
    ):
        raise InvalidRequest("Text must not contain NUL.")
