"""Make somebody staff, or no longer, or take away the codes of a phone that was lost."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import identity, staff
from imsite.core import clock
from imsite.core.errors import AppError
from imsite.desk import codes, roles


class Command(BaseCommand):
    """Change who is staff."""

    help = "Make USERNAME staff of some groups (grant), of none (revoke), or reset_codes."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to do, for whom, and why."""
        parser.add_argument("what", choices=["grant", "revoke", "reset_codes"])
        parser.add_argument("username")
        parser.add_argument("--group", action="append", default=[], help=", ".join(roles.ROLES))
        parser.add_argument("--reason", required=True, help="kept in the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say how it was."""
        user = identity.named(options["username"])
        if user is None:
            raise CommandError(f"there is no user {options['username']!r}")
        if (options["what"] == "grant") != bool(options["group"]):
            raise CommandError("grant wants a --group, the others none")
        try:
            if options["what"] == "reset_codes":
                codes.reset(None, user.pk, options["reason"], "", now=clock.now())
            else:
                groups, reason = options["group"], options["reason"]
                staff.set_groups(user.pk, groups, reason=reason, now=clock.now())
        except AppError as error:
            raise CommandError(f"{error.message} {error.data or ''}".strip()) from error
        self.stdout.write("done")
