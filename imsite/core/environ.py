"""Makes of an ASGI request what WSGI wants to know of it."""

import io
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

Scope = MutableMapping[str, Any]


@dataclass(slots=True)
class Body:
    """What was read of a request's body, and how long all of it is."""

    kept: bytes = b""
    length: int = 0


def environ_of(scope: Scope, body: Body) -> dict[str, Any]:
    """Return the WSGI environment of a request."""
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    root: str = scope.get("root_path", "")
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _unquoted(root.encode()),
        "PATH_INFO": _unquoted(raw_path.removeprefix(root.encode())),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "CONTENT_LENGTH": str(body.length),
        "SERVER_NAME": server[0] or "localhost",
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": "HTTP/" + scope["http_version"],
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body.kept),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        # Told by who stands in front of us, never by a client: names of headers begin with HTTP_.
        "imsite.waits": scope.get("imsite.waits", False),
    }
    _add_headers(environ, scope["headers"])
    return environ


def _unquoted(raw_path: bytes) -> str:
    return (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("latin-1")


def _add_headers(environ: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> None:
    for raw_name, raw_value in headers:
        name = _name(raw_name)
        if name is None:
            continue
        value = raw_value.decode("latin-1")
        if name in environ:
            value = environ[name] + (";" if name == "HTTP_COOKIE" else ",") + value
        environ[name] = value


@lru_cache(maxsize=1024)
def _name(raw: bytes) -> str | None:
    """Return a header's name in WSGI, or None for one that must not pass.

    The length is stated by who read the body; a name with an underscore could pose as another.
    """
    if b"_" in raw or raw.lower() in (b"content-length", b"transfer-encoding"):
        return None
    name = raw.decode("latin-1").upper().replace("-", "_")
    return name if name == "CONTENT_TYPE" else "HTTP_" + name
