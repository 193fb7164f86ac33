"""Stands between the WSGI server and the application: each body whole and within bounds, in and out.

Django reads no further than Content-Length, and a chunked body has none; a server that closes a
connection on what a client still sends may destroy the refusal under way to it; and granian sends an
answer in one piece only if it is a list.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]
API = "/api/"
# Bytes of a body that are read to their end, so that a client hears the refusal of what is too large.
MOST_READ = 8 * 2**20
_STEP = 2**18


class Front:
    """A WSGI application that tells another how long each body is, and keeps what that one will read."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        claimed = environ.get("CONTENT_LENGTH")
        if claimed or "HTTP_TRANSFER_ENCODING" in environ:
            kept, length = read(environ, int(claimed or 0))
            environ["CONTENT_LENGTH"] = str(length)
            environ["wsgi.input"] = io.BytesIO(kept)
        answer: Any = self._app(environ, start_response)
        if getattr(answer, "streaming", True):
            return answer  # type: ignore[no-any-return]
        try:
            return [answer.content]
        finally:
            answer.close()


def read(environ: Environ, claimed: int) -> tuple[bytes, int]:
    """Return what is kept of the body, and how long all of it is."""
    if claimed > MOST_READ:
        return b"", claimed
    is_api = environ["PATH_INFO"].startswith(API)
    most = settings.IM_MAX_BODY + 1 if is_api else MOST_READ
    stream = environ["wsgi.input"]
    kept: bytes = stream.read(most)
    length = len(kept)
    while length >= most and length <= MOST_READ:
        chunk = stream.read(_STEP)
        if not chunk:
            break
        length += len(chunk)
    # Half of a body is none: its sender is gone, or will be refused.
    return (b"" if length < claimed else kept), length
