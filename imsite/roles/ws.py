"""The ws role: processes that share one port, each with sockets and waiting syncs of its own."""

from django.conf import settings

from imsite.roles import crew


def main() -> int:
    """Serve on IM_HOST and PORT until SIGTERM; then close sockets with 1012 and return."""
    return crew.run("ws", "imsite.serve", settings.IM_WS_WORKERS)
