"""What a writer does before it takes the lock: verdicts by the rules of this second, and floods counted."""

from collections.abc import Sequence
from datetime import datetime

from conversations.models import Conversation
from messages.drafts import Draft
from messages.policy import content, flood, standing
from messages.policy.folding import fold
from messages.policy.gate import Verdict, judge
from messages.policy.ruleset import Rule

_MOST_KINDS = 100_000
_kinds: dict[int, str] = {}


def verdicts(
    drafts: Sequence[Draft], early: Sequence[Verdict], *, now: datetime
) -> list[Verdict] | None:
    """Return the verdict on each draft, or None if there are neither rules nor held messages.

    `early` are those that senders brought along: they stand if the rules are the same still.
    """
    ruleset = standing.refresh()
    if not ruleset:
        return [Verdict(ruleset)] * len(drafts) if standing.holding() else None
    found = [
        verdict if verdict.ruleset is ruleset else judge(draft)
        for draft, verdict in zip(drafts, early, strict=True)
    ]
    return _with_floods(drafts, found, ruleset.floods, now=now) if ruleset.floods else found


def _with_floods(
    drafts: Sequence[Draft], found: list[Verdict], floods: Sequence[Rule], *, now: datetime
) -> list[Verdict]:
    asked: list[tuple[int, Rule]] = []
    sightings: list[flood.Sighting] = []
    kinds = _kinds_of({draft.conversation_id for draft in drafts})
    for n, draft in enumerate(drafts):
        text = "\n".join(fold(each) for each in content.strings(draft.kind, draft.text, draft.body))
        for rule in floods:
            if len(text) >= rule.least and rule.concerns(
                draft.conversation_id, kinds.get(draft.conversation_id, ""), None
            ):
                asked.append((n, rule))
                sightings.append(_sighting(draft, rule, text))
    if sightings:
        for (n, rule), over in zip(asked, flood.count(sightings, now=now.timestamp()), strict=True):
            if over:
                found[n] = Verdict(found[n].ruleset, (*found[n].hits, rule))
    return found


def _sighting(draft: Draft, rule: Rule, text: str) -> flood.Sighting:
    return flood.Sighting.of(
        rule_id=rule.id,
        whose=draft.sender_id if rule.counted == "sender" else 0,
        text=text,
        id=f"{draft.conversation_id}:{draft.sender_id}:{draft.client_id}",
        times=rule.times,
        seconds=rule.seconds,
    )


def _kinds_of(conversation_ids: set[int]) -> dict[int, str]:
    """Return direct or group; it never changes, so each is asked for once."""
    missing = [each for each in conversation_ids if each not in _kinds]
    if missing:
        if len(_kinds) > _MOST_KINDS:
            _kinds.clear()
        found = Conversation.objects.filter(pk__in=missing).values_list("pk", "kind")
        _kinds.update(found)
    return _kinds
