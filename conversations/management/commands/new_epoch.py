"""Tell the server that its database was restored: every client syncs anew."""

from typing import Any

from django.core.management.base import BaseCommand

from conversations import site
from conversations.models import Site


class Command(BaseCommand):
    """Begin a new epoch."""

    help = "Begin a new epoch: run it after a restore; every sync cursor is answered with a reset."

    def handle(self, *args: Any, **options: Any) -> None:
        """Renew the epoch."""
        site.renew(Site.objects.get(pk=1).epoch)
        self.stdout.write("new epoch; clients will sync from the start")
