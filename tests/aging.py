"""Lets days pass for the server in this process: its one clock is set on, tokens are given out anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from accounts import tokens
from accounts.models import Device
from conversations.models import Mention, Uncounted
from imsite.core import clock, rows
from imsite.core.chores import Done
from imsite.core.pace import Pace
from messages import retention
from messages.models import SEQ_BITS, DayMark, Entry, Purge, Reaction, Spared
from tests.cast import Person


class Calendar:
    """The time as the server sees it, `days` ahead of the real one."""

    def __init__(self, *people: Person) -> None:
        self.people = people
        self.days = 0.0
        self._real = clock.now

    def now(self):
        """Return the shifted time."""
        return self._real() + timedelta(days=self.days)

    def go_on(self, days: float) -> None:
        """Let days pass; everybody renews their tokens meanwhile."""
        self.days += days
        for each in self.people:
            device = Device.objects.get(pk=each.device_id)
            each.access = tokens.grant(device, at=self.now())["access"]

    def expire(self) -> Done:
        """Run the expiry of this day to its end."""
        return retention.expire(now=self.now(), pace=Pace(rest=0))


@contextmanager
def calendar(*people: Person) -> Iterator[Calendar]:
    """Let days pass within the block."""
    found = Calendar(*people)
    clock.now = found.now
    try:
        yield found
    finally:
        clock.now = found._real
        found.days = 0.0
        found.go_on(0)


def left(conversation_id: int) -> dict[str, list[int]]:
    """Return the seqs of a conversation that each table still has something of."""
    mine = {"conversation_id": conversation_id}
    low, high = conversation_id << SEQ_BITS, (conversation_id + 1) << SEQ_BITS
    key = "rowid" if rows.vendor() == "sqlite" else "entry_id"
    words = f"SELECT {key} FROM messagelog_searchtext WHERE {key} > %s AND {key} < %s"
    found = {
        "entries": [each.seq for each in Entry.objects.filter(**mine).order_by("pk")],
        "words": [row[0] - low for row in rows.fetch(words, [low, high])],
        "purges": list(Purge.objects.filter(**mine).values_list("gone_seq", flat=True)),
    }
    for table in (DayMark, Spared, Reaction, Mention, Uncounted):
        found[table._meta.model_name] = sorted(
            table._default_manager.filter(**mine).values_list("seq", flat=True)
        )
    return found
