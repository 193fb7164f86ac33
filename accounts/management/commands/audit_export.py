"""Write the audit log to a file."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts import audit_files


class Command(BaseCommand):
    """Write the audit log as JSON lines or CSV."""

    help = "Write the audit log to FILE (- for standard output) as JSON lines or CSV."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, the format, and where to begin."""
        parser.add_argument("file")
        parser.add_argument("--format", choices=sorted(audit_files.FORMATS), default="jsonl")
        parser.add_argument("--after", type=int, default=0, help="begin behind this number")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write line by line."""
        lines = audit_files.FORMATS[options["format"]](after=options["after"])
        if options["file"] == "-":
            sys.stdout.buffer.writelines(lines)
            return
        with Path(options["file"]).open("wb") as target:
            target.writelines(lines)
