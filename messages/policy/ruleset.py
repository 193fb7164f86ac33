"""The rules in force, compiled: which of them a message hits, and the message with the hits masked."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from imsite.core.errors import InvalidRequest
from messages import kinds
from messages.policy import content, links, patterns, phrases
from messages.policy.folding import Tracing, fold, masked
from messages.policy.phrases import BadLine, Found, Phrase

log = logging.getLogger("messages.policy")
Content = tuple[str | None, dict[str, Any] | None]
READERS: dict[str, Callable[[str], Any]] = {
    "phrases": Phrase.read,
    "regex": patterns.read,
    "domains": links.read,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """A content rule as it is applied; see `models.PolicyRule` for what each field means."""

    id: int
    name: str
    kind: str
    action: str
    scope: str = "everywhere"
    conversation_id: int | None = None
    exempt_admins: bool = False
    patterns: str = ""
    times: int = 5
    seconds: int = 60
    counted: str = "sender"
    least: int = 10
    told: str = ""

    def concerns(self, conversation_id: int, kind: str, role: str | None) -> bool:
        """Say whether what somebody of this role sends in this conversation is held against the rule."""
        if self.exempt_admins and kind == "group" and role in ("owner", "admin"):
            return False
        if self.scope == "conversation":
            return self.conversation_id == conversation_id
        return self.scope in ("everywhere", kind)


def read_lines(kind: str, text: str) -> tuple[list[Any], list[str]]:
    """Return the patterns in a rule's lines, and what is wrong with the others."""
    found, problems = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(READERS[kind](line))
        except BadLine as error:
            problems.append(f"line {number}: {error}")
    return found, problems


class Ruleset:
    """Rules ready to be held against messages; the same object as long as they stay the same."""

    def __init__(self, rules: Iterable[Rule] = (), *, version: int = 0) -> None:
        self.version = version
        self.rules = list(rules)
        self.floods = [each for each in self.rules if each.kind == "flood"]
        self._phrases = phrases.Phrases(self._lists("phrases"))
        self._patterns = patterns.Patterns(self._lists("regex"))
        self._domains = links.Domains(self._lists("domains"))

    def __bool__(self) -> bool:
        return bool(self.rules)

    def _lists(self, kind: str) -> Iterator[tuple[int, Sequence[Any]]]:
        for place, rule in enumerate(self.rules):
            if rule.kind == kind:
                found, problems = read_lines(kind, rule.patterns)
                if problems:
                    # Taken when it was written, refused now: another release of a library.
                    log.error("rule %d cannot be used whole: %s", rule.id, "; ".join(problems))
                yield place, found

    def judge(self, kind: str, text: str | None, body: dict[str, Any] | None) -> tuple[Rule, ...]:
        """Return the rules that this content hits, floods and scopes apart."""
        found: set[int] = set()
        for each in content.strings(kind, text, body):
            folded = fold(each)
            found.update(rule for rule, _, _ in self._phrases.find(folded))
            found.update(rule for rule, _, _ in self._domains.find(folded))
            found.update(self._patterns.hit(folded))
            if each != folded:
                found.update(self._patterns.hit(each))
        return tuple(self.rules[place] for place in sorted(found))

    def masked(
        self, kind: str, text: str | None, body: dict[str, Any] | None, rules: Sequence[Rule]
    ) -> Content | None:
        """Return the content with what these rules hit made unreadable; None if it cannot be."""
        wanted = frozenset(rules)
        changed = content.rewritten(text, body, lambda each: self._mask(each, wanted))
        try:
            kinds.check(kind, *changed)
        except InvalidRequest:
            return None
        # Names in a body stay as they are: other code may look for them.
        named = {
            rule for each in content.names(kind, body) for rule in self.judge("text", each, None)
        }
        return None if wanted & named else changed

    def _mask(self, text: str, wanted: frozenset[Rule]) -> str:
        traced = Tracing(text)
        spans = [
            traced.source(start, end)
            for start, end in self._spans(traced.folded, wanted, self._places(traced.folded))
        ]
        if text != traced.folded:
            spans += self._spans(text, wanted, self._patterns.find(text))
        return masked(text, spans) if spans else text

    def _places(self, folded: str) -> Iterator[Found]:
        yield from self._phrases.find(folded)
        yield from self._domains.find(folded)
        yield from self._patterns.find(folded)

    def _spans(
        self, text: str, wanted: frozenset[Rule], found: Iterable[Found]
    ) -> list[tuple[int, int]]:
        return [(start, end) for place, start, end in found if self.rules[place] in wanted]
