"""Sends that come over a socket: the same parser, limit and writer as POST."""

from collections.abc import Callable
from typing import Any

from accounts.tokens import Caller
from imsite.core import limits
from messages import drafts, writer
from messages.log import Result


def send(
    caller: Caller,
    conversation_id: int,
    message: dict[str, Any],
    answer: Callable[[Result], None],
    *,
    on_loop: bool = False,
) -> None:
    """Queue a message; raise AppError at once, or give the receipt to `answer` after the commit.

    `on_loop`: this is the thread of a loop with fibers (messages.writer).
    """
    limits.hit("send", f"u{caller.user_id}")
    draft = drafts.parse(conversation_id, caller.user_id, message)
    writer.submit(draft, answer, on_loop=on_loop)
