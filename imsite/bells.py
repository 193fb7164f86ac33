"""Beat's scheduler: rings by the monotonic clock, so that setting the other one silences nothing."""

import time
from datetime import timedelta
from typing import Any

from celery.beat import Scheduler


class Steady(Scheduler):
    """Rings all bells at its start, then each at its interval; it keeps nothing on the disk.

    Celery's own remembers by the wall clock when it rang: set back by an hour, it is silent for one,
    and a leap of days that is taken back silences it for days.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._due: dict[str, float] = {}
        super().__init__(*args, **kwargs)

    def install_default_entries(self, data: Any) -> None:
        """Add none: no results are kept that would have to be tidied."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Ring what is due; return the seconds until the next is."""
        for name, entry in self.schedule.items():
            if self._due.get(name, 0.0) <= time.monotonic():
                self.apply_entry(entry, producer=self.producer)
                # All of ours are intervals.
                every: timedelta = entry.schedule.run_every  # type: ignore[union-attr]
                self._due[name] = time.monotonic() + every.total_seconds()
        return max(0.0, min(self._due.values()) - time.monotonic())
