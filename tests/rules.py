"""Content rules for a test, each in force only where the test wants it."""

from contextlib import contextmanager

from django.db import transaction

from imsite.core import clock
from messages.models import PolicyRule
from messages.policy import standing, tallies


@contextmanager
def ruled(*rules: dict):
    """Switch these rules on, for this process at once, and take them away again."""
    made = [PolicyRule.objects.create(**_rule(each)) for each in rules]
    _changed()
    try:
        yield made
    finally:
        lift(*made)


def lift(*made: PolicyRule) -> None:
    """Take rules away again, for this process at once."""
    tallies.flush()
    PolicyRule.objects.filter(pk__in=[each.pk for each in made]).delete()
    _changed()


def _rule(fields: dict) -> dict:
    usual = {"name": "test", "kind": "phrases", "action": "reject", "enabled": True}
    if isinstance(fields.get("patterns"), list):
        fields = {**fields, "patterns": "\n".join(fields["patterns"])}
    if "conversation_id" in fields:
        usual["scope"] = "conversation"
    return {**usual, "changed_at": clock.now(), **fields}


def _changed() -> None:
    with transaction.atomic():
        standing.changed()
    standing.refresh()
