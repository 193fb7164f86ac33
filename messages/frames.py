"""Sends that come over a socket: the same parser, limit and writer as POST."""

from concurrent.futures import Future
from typing import Any

from accounts.tokens import Caller
from imsite.core import limits
from messages import drafts, writer
from messages.log import Receipt


def send(caller: Caller, conversation_id: int, message: dict[str, Any]) -> "Future[Receipt]":
    """Queue a message; raise AppError at once, or resolve to the receipt after the commit."""
    limits.hit("send", f"u{caller.user_id}")
    return writer.submit(drafts.parse(conversation_id, caller.user_id, message))
