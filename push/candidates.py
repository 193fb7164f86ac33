"""Who may have to be woken for the newest entries of conversations: found from those who can be woken.

Of a large group only those are read who want to hear of everything, or are mentioned: however many
entries come, the others' rows are not touched.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from conversations import headview
from conversations.looking import Range
from conversations.models import Membership
from imsite.core import rows
from messages import alerts

# Members of a conversation that are looked at together; one with more is large.
MANY = 5_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device that may be woken for the entries of a range up to `seq`, none of them its member's."""

    conversation_id: int
    device_id: int
    user_id: int
    provider: str
    seq: int


@dataclass(slots=True)
class Wanted:
    """The newest entries by conversation: (seq, sender, newest of anybody else or 0)."""

    for_all: dict[int, tuple[int, int, int]]
    # Those that mention everybody.
    at_all: dict[int, tuple[int, int, int]]
    # By (conversation, user).
    at_one: dict[tuple[int, int], int]

    @classmethod
    def of(cls, spans: Sequence[Range], *, since: datetime) -> "Wanted":
        asked = [
            alerts.Asked(conversation_id=s.conversation_id, low=s.low, high=s.high, but=0)
            for s in spans
        ]
        first = alerts.newest(asked, since=since)
        places = sorted(first)
        others = [
            alerts.Asked(
                conversation_id=spans[n].conversation_id,
                low=spans[n].low,
                high=first[n][0],
                but=first[n][1],
            )
            for n in places
        ]
        second = alerts.newest(others, since=since)
        for_all = {
            spans[n].conversation_id: (*first[n], second.get(k, (0, 0))[0])
            for k, n in enumerate(places)
        }
        told = alerts.mentions(
            [(s.conversation_id, s.low, s.high) for s in spans if s.conversation_id in for_all],
            since=since,
        )
        return cls(for_all, *_mentioned(told))

    def senders(self) -> list[tuple[int, int]]:
        """Return (conversation, user) of who spoke last."""
        return [(cid, sender) for cid, (_, sender, _) in self.for_all.items()]

    def candidates(
        self, spans: Mapping[int, Range], devices: Collection[int] | None
    ) -> Iterator[list[Candidate]]:
        """Yield the candidates in portions."""
        few = {cid for cid in self.for_all if spans[cid].member_count <= MANY}
        for level, wanted in (("all", self.for_all), ("mentions", self.at_all)):
            yield _of_level(level, {c: w for c, w in wanted.items() if c in few}, devices)
            for cid in wanted.keys() - few:
                for bounds in _pages(cid, level):
                    yield _of_level(level, {cid: wanted[cid]}, devices, bounds)
        yield _of_people(self.at_one, devices)


def _mentioned(
    told: Sequence[alerts.Mentioned],
) -> tuple[dict[int, tuple[int, int, int]], dict[tuple[int, int], int]]:
    """Return the newest mentions of everybody, and of single people; `told` has the newest first."""
    at_all: dict[int, tuple[int, int, int]] = {}
    at_one: dict[tuple[int, int], int] = {}
    for each in told:
        if each.user_id:
            at_one.setdefault((each.conversation_id, each.user_id), each.seq)
            continue
        seq, sender, other = at_all.setdefault(each.conversation_id, (each.seq, each.sender_id, 0))
        if not other and each.sender_id != sender:
            at_all[each.conversation_id] = (seq, sender, each.seq)
    return at_all, at_one


@cache
def _level_sql(vendor: str, level: str, listed: str, more: str) -> str:
    owed = "(CASE WHEN m.user_id = want.sender_id THEN want.other ELSE want.seq END)"
    return f"""WITH want(conversation_id, seq, sender_id, other) AS ({listed})
 SELECT m.conversation_id, t.device_id, m.user_id, t.provider, {owed}
 FROM want JOIN conversations_conversation c ON c.id = want.conversation_id
 JOIN conversations_membership m ON m.conversation_id = want.conversation_id
  AND m.state = 'active' AND m.notify = '{level}'
 JOIN push_pushtoken t ON t.user_id = m.user_id
 WHERE {headview.low_seq()} < {owed} {more}"""


def _of_level(
    level: str,
    wanted: Mapping[int, tuple[int, int, int]],
    devices: Collection[int] | None,
    bounds: tuple[int, int] | None = None,
) -> list[Candidate]:
    """Return the devices of members with this notify level who have not read so far."""
    if not wanted:
        return []
    listed, params = rows.values([(cid, *each) for cid, each in sorted(wanted.items())])
    more = ""
    if bounds is not None:
        more, params = "AND m.id > %s AND m.id <= %s", [*params, *bounds]
    return _candidates(
        lambda extra: _level_sql(rows.vendor(), level, listed, more + extra), params, devices
    )


def _of_people(
    wanted: Mapping[tuple[int, int], int], devices: Collection[int] | None
) -> list[Candidate]:
    """Return the devices of those mentioned who want to hear of mentions only."""
    if not wanted:
        return []
    listed, params = rows.values([(*pair, seq) for pair, seq in sorted(wanted.items())])
    sql = f"""WITH want(conversation_id, user_id, seq) AS ({listed})
 SELECT m.conversation_id, t.device_id, m.user_id, t.provider, want.seq
 FROM want JOIN conversations_conversation c ON c.id = want.conversation_id
 JOIN conversations_membership m ON m.user_id = want.user_id
  AND m.conversation_id = want.conversation_id AND m.state = 'active' AND m.notify = 'mentions'
 JOIN push_pushtoken t ON t.user_id = m.user_id
 WHERE {headview.low_seq()} < want.seq"""
    return _candidates(lambda extra: sql + extra, params, devices)


def _candidates(
    sql: Callable[[str], str], params: list[object], devices: Collection[int] | None
) -> list[Candidate]:
    if devices is None:
        return [Candidate(*row) for row in rows.fetch(sql(""), params)]
    found = []
    ordered = sorted(devices)
    for start in range(0, len(ordered), MANY):
        these, ids = rows.among("t.device_id", ordered[start : start + MANY])
        found += [Candidate(*row) for row in rows.fetch(sql(f" AND {these}"), [*params, *ids])]
    return found


def _pages(conversation_id: int, level: str) -> Iterator[tuple[int, int]]:
    """Yield ranges of ids that hold so many memberships of a large conversation each."""
    seats = Membership.objects.filter(conversation_id=conversation_id, state="active", notify=level)
    ids = seats.order_by("id").values_list("id", flat=True)
    low = 0
    while True:
        last = ids.filter(id__gt=low)[MANY - 1 : MANY].first()
        if last is None:
            yield low, 2**62
            return
        yield low, last
        low = last
