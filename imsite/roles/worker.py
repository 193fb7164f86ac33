"""The worker role: Celery, which gives back on SIGTERM what it cannot end soon."""

import os
import sys

from django.conf import settings

# Seconds that running tasks have after SIGTERM; then they go back to the queue.
PATIENCE = 8


def command() -> list[str]:
    """Return the command that works: no worker talks with another."""
    options = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    options += ["--concurrency", str(settings.IM_WORKERS), "--loglevel", "WARNING"]
    celery = [sys.executable, "-m", "celery", "-A", "imsite.celery", "--quiet"]
    return [*celery, "worker", *options, "--", f"worker.soft_shutdown_timeout={PATIENCE}"]


def main() -> int:
    """Become a worker."""
    # Celery's own SIGTERM waits for tasks without end.
    os.environ["REMAP_SIGTERM"] = "SIGQUIT"
    argv = command()
    os.execv(argv[0], argv)
