"""Load the demo: real chat, two people, and messages that they have not read."""

from argparse import ArgumentParser
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from imsite.core import clock
from imsite.core.errors import AppError
from messages import demo


class Command(BaseCommand):
    """Load the demo into this database; again: nothing changes."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what may be given."""
        parser.add_argument(
            "--force", action="store_true", help="even if other people have accounts here"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Load it and tell who can log in, here and to those who greet later."""
        try:
            demo.load(now=clock.now(), among_others=options["force"])
        except AppError as error:
            raise CommandError(error.message) from error
        (settings.DATA_DIR / "demo.json").write_bytes(orjson.dumps(list(demo.DEMO_LOGINS)))
        for login in demo.DEMO_LOGINS:
            self.stdout.write(f"demo login: {login['username']} / {login['password']}")
