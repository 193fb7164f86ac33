"""Where pushes go while no provider is set up: one line each, of what happened and never of what was said."""

import logging
from datetime import datetime

from push.providers.base import Push, Target

logger = logging.getLogger("imsite.push")


class Console:
    """Takes everything, tells the log, wakes nobody."""

    def lane(self, target: Target) -> str:
        """Return its name: it never fails."""
        return "console"

    def send(self, target: Target, push: Push, *, now: datetime) -> str:
        """Write the line; the id of it is empty."""
        logger.info(
            "%s %s for device %d: conversation %d up to %d, badge %d",
            target.provider,
            "clear" if push.silent else "push",
            target.device_id,
            push.conversation_id,
            push.seq,
            push.badge,
        )
        return ""

    def close(self) -> None:
        """Have nothing open."""
