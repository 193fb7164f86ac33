"""Prove that the audit log was not touched."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import audit


class Command(BaseCommand):
    """Compute the chain of the audit log anew."""

    help = "Check the audit log; ends with 1 and names the first row that was changed or removed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the head that an earlier run printed."""
        parser.add_argument(
            "--head",
            type=audit.Head.read,
            metavar="NUMBER:HASH",
            help="what an earlier run printed: shows whether the end was cut off since",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Say the head, or what is broken."""
        found = audit.verify(known=options["head"])
        if found.broken:
            raise CommandError(f"{found.broken}; good up to {found.head}", returncode=1)
        self.stdout.write(f"good up to {found.head}")
