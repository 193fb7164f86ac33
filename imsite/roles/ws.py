"""The ws role: sockets and waiting syncs, on the server of IM_ASGI_SERVER."""

from imsite import serve


def main() -> int:
    """Serve on IM_HOST and PORT until SIGTERM; then close sockets with 1012 and return."""
    serve.warm_up()
    serve.serve()
    return 0
