"""Items made ready by who sends them, so that little is left to be done while their head is locked."""

from dataclasses import dataclass

from messages import search, wire
from messages.drafts import Draft
from messages.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Ready:
    """An item without a place, its JSON but for the place, and its terms if it can be searched for."""

    item: wire.Item
    halves: wire.Halves
    terms: str


def ready(item: wire.Item) -> Ready:
    """Return an item (the parts of a wire without its place) made ready."""
    terms = search.terms(item) if KINDS[item["kind"]].counts else ""
    return Ready(item, wire.halves(item), terms)


def sent(draft: Draft) -> Ready:
    """Return what a draft says, made ready."""
    return ready(wire.sent(draft))
