"""Send a chat log through the public HTTP API of a running server, as real clients would."""

import asyncio
import signal
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.live import Live
from rich.text import Text

from messages.replaying import Replay
from messages.replaying.client import GaveUp, Refused


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ArgumentTypeError("must be above 0")
    return value


class Command(BaseCommand):
    """Replay a file; it needs a server, no database."""

    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what may be given."""
        parser.add_argument("file", type=Path, help="JSON lines {at, nick, kind, text}; may be .gz")
        parser.add_argument(
            "--speed", type=_positive, default=60, help="how many times as fast as it was (60)"
        )
        parser.add_argument("--users", type=int, default=20, help="clients that send (20)")
        parser.add_argument("--server", default="http://127.0.0.1:8000", metavar="URL")
        parser.add_argument(
            "--seconds", type=_positive, help="stop then (at the end of the file, or by Ctrl-C)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Replay, with a live line, and tell what came of it."""
        try:
            wrong = asyncio.run(self._replay(options))
        except (Refused, GaveUp) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{options['file']}: {error}") from error
        if wrong:
            raise CommandError("the log is not what was sent: " + "; ".join(wrong))
        self.stdout.write("pulled back: every message is there once, as it was sent")

    async def _replay(self, options: dict[str, Any]) -> list[str]:
        replay = Replay(
            options["file"],
            server=options["server"],
            users=max(1, options["users"]),
            speed=options["speed"],
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, replay.stop)
        showing = asyncio.create_task(_show(replay))
        try:
            wrong = await replay.run(seconds=options["seconds"])
        finally:
            showing.cancel()
        self.stdout.write(
            "\n".join([f"conversation {replay.conversation_id}", *replay.tally.summary()])
        )
        return wrong


async def _show(replay: Replay) -> None:
    """Keep a live line until cancelled."""
    with Live(Text(replay.tally.line()), console=Console(stderr=True), transient=True) as live:
        while True:
            await asyncio.sleep(0.5)
            live.update(Text(replay.tally.line()))
