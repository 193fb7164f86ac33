"""The only response shape: one envelope for success and failure alike (API §1)."""

import logging
import math
from typing import Any

import orjson
from django.core.exceptions import DisallowedHost, RequestDataTooBig, SuspiciousOperation
from django.db import Error as DatabaseProblem
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import APIException, MethodNotAllowed

from imsite.core import metrics
from imsite.core.errors import AppError, Code, InvalidRequest, NotFound, Unavailable
from imsite.core.strict import TooLarge

log = logging.getLogger("imsite.request")
JSON = "application/json"
_OK = b'{"code":0,"error":null,"message":"ok","data":'


class NotAllowed(AppError):
    """This route does not take this method."""

    code = Code.METHOD_NOT_ALLOWED


class Internal(AppError):
    """Something broke here; the request id finds it in our log."""

    code = Code.INTERNAL


def ok(request: Any, data: Any, *, status: int = 200) -> HttpResponse:
    """Return `data` in the envelope."""
    return ok_bytes(request, orjson.dumps(data), status=status)


def ok_bytes(request: Any, data: bytes, *, status: int = 200) -> HttpResponse:
    """Return `data`, JSON already rendered, in the envelope."""
    body = b'%s%s,"request_id":"%s"}' % (_OK, data, request.request_id.encode())
    return _response(body, status)


def failure(request: Any, error: AppError) -> HttpResponse:
    """Return `error` in the envelope."""
    data = error.data
    if error.retry_after is not None:
        data = {**(data or {}), "retry_after_ms": math.ceil(error.retry_after * 1000)}
    body = orjson.dumps(
        {
            "code": error.code.value,
            "error": error.code.slug,
            "message": error.message,
            "data": data,
            "request_id": getattr(request, "request_id", ""),
        }
    )
    response = _response(body, error.code.status)
    if error.retry_after is not None:
        response["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if error.code.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def _response(body: bytes, status: int) -> HttpResponse:
    response = HttpResponse(body, content_type=JSON, status=status)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def on_exception(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """Answer for an exception that a view let out (DRF's EXCEPTION_HANDLER)."""
    request = context["request"]
    known = as_app_error(error)
    if known.code is Code.INTERNAL:
        log.error("unhandled error", exc_info=error)
    return failure(request, known)


def as_app_error(error: Exception) -> AppError:
    """Return what a client may know of any exception."""
    if isinstance(error, DatabaseProblem):
        metrics.database_errors.labels(type(error).__name__).inc()
    match error:
        case AppError():
            return error
        case Http404():
            return NotFound()
        # Internal: read-only after a failover, or a transaction that the server gave up.
        case OperationalError() | InterfaceError() | InternalError():
            log.error("database unavailable", exc_info=error)
            return Unavailable(retry_after=1.0)
        case MethodNotAllowed():
            return NotAllowed()
        case RequestDataTooBig():
            return TooLarge()
        case DisallowedHost() | SuspiciousOperation() | APIException():
            return InvalidRequest()
    return Internal()


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer for a path that is not there."""
    return failure(request, NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for an error outside every view."""
    return failure(request, Internal())


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer for a request that Django itself refuses."""
    return failure(request, InvalidRequest())
