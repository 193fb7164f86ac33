"""Import a chat log from a file into a group that everybody may join and read."""

import time
import zlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from imsite.core import clock
from imsite.core.errors import AppError
from messages import importing, transcript

_SHOWN = 20


class Command(BaseCommand):
    """Import a file; run it again to go on after a crash, or to take in what was added."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what may be given."""
        parser.add_argument("file", type=Path, help="JSON lines {at, nick, kind, text}; may be .gz")
        parser.add_argument("--conversation", required=True, metavar="TITLE")
        parser.add_argument("--batch", type=int, default=1000, help="lines a transaction (1000)")
        parser.add_argument("--owner", metavar="NAME", help="whose group it is (nobody's)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, with a bar, and tell the counts."""
        started = time.monotonic()
        try:
            done = self._import(options)
        except AppError as error:
            raise CommandError(transcript.reason(error)) from error
        except (OSError, EOFError, zlib.error) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        self._report(done, seconds=time.monotonic() - started)

    def _import(self, options: dict[str, Any]) -> importing.Progress:
        steps = importing.run(
            options["file"],
            title=options["conversation"],
            owner_name=options["owner"],
            batch=max(1, options["batch"]),
            now=clock.now(),
        )
        with _bar() as bar:
            # The first step comes when the file was looked through and its people were made.
            task = bar.add_task("Reading", total=None)
            for step in steps:
                bar.update(task, description="Importing", completed=step.done, total=step.total)
        return step

    def _report(self, done: importing.Progress, *, seconds: float) -> None:
        for line in done.refused[:_SHOWN]:
            self.stderr.write(f"line {line.number}: {line.reason}")
        if len(done.refused) > _SHOWN:
            self.stderr.write(f"… and {len(done.refused) - _SHOWN} more lines")
        self.stdout.write(
            f"conversation {done.conversation_id}: {done.added} added, {done.known} there already,"
            f" {len(done.refused)} refused, of {done.total} lines"
            f" in {seconds:.1f} s ({done.added / seconds:.0f} messages/s)"
        )


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
