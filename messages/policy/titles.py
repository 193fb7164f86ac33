"""What content rules say about names, titles and announcements: refuse them, or have moderators look.

There is no queue for them and no stars in them: whoever is refused gives another name. So what holds
or masks a message refuses these. A flag is filed for what stands in a log: titles and announcements.
"""

from collections.abc import Sequence

from django.db import transaction

from accounts.wording import Place
from conversations.heads import Head
from messages import flags, wire
from messages.policy import standing, tallies
from messages.policy.gate import flag_of
from messages.policy.held import Rejected
from messages.policy.ruleset import Rule

# Where the notices of a log have words of people.
_WORDS = {"created": "title", "title_changed": "title", "announcement": "text"}
_REFUSING = ("reject", "hold", "mask")


def judge(words: Sequence[str], place: Place | None) -> None:
    """Raise Rejected if a rule speaks against these words; the names of people are in no place."""
    where = (place.conversation_id, place.kind, place.role) if place else (0, "", "")
    hits = [rule for rule in _hits(words, *where) if rule.action in _REFUSING]
    if hits:
        tallies.add([(rule.id, rule.action) for rule in hits])
        first = min(hits, key=lambda rule: _REFUSING.index(rule.action))
        raise Rejected(first.told or None)


def flag(head: Head, item: wire.Item) -> flags.Flag | None:
    """Return the report of a notice that was appended, if rules flag what people said in it."""
    said = item["body"].get(_WORDS.get(item["kind"], ""))
    # Only owner and admins give titles and announcements.
    hits = _hits([said], head.id, head.kind, "admin") if said else []
    found = [rule for rule in hits if rule.action == "flag"]
    if not found:
        return None
    transaction.on_commit(lambda: tallies.add([(rule.id, rule.action) for rule in found]))
    return flag_of(head.id, item, found, said=(None, item["body"]))


def _hits(words: Sequence[str], conversation_id: int, kind: str, role: str) -> list[Rule]:
    ruleset = standing.refresh()
    if not ruleset:
        return []
    found = {rule: None for each in words for rule in ruleset.judge("text", each, None)}
    return [rule for rule in found if rule.concerns(conversation_id, kind, role)]
