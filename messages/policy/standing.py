"""The rules as this process knows them: looked up anew within a second of a change, else kept."""

import contextlib
import threading
import time

from django.db import transaction
from django.db.models import F

from imsite.core import fibers, rows
from messages.models import Held, PolicyRule, PolicyState
from messages.policy.ruleset import Rule, Ruleset

# Seconds for which what was looked up is believed.
_FRESH = 1.0
_ROW = 1
_FIELDS = tuple(Rule.__dataclass_fields__)


class _Known:
    """What this process believes."""

    def __init__(self) -> None:
        self.looked_at = 0.0
        self.ruleset = Ruleset(version=-1)
        self.holding = False


_known = _Known()
_lock = threading.Lock()


def ruleset() -> Ruleset:
    """Return the rules without a look at the database: at most as old as the last `refresh`."""
    return _known.ruleset


def holding() -> bool:
    """Say whether there may be messages that wait for a moderator, or were refused by one."""
    return _known.holding


def refresh() -> Ruleset:
    """Return the rules as they stood a second ago or later; one query a second, if anybody asks."""
    if time.monotonic() - _known.looked_at < _FRESH:
        return _known.ruleset
    # A fiber must not wait for a thread; that both ask does no harm.
    with contextlib.nullcontext() if fibers.current() else _lock:
        # The time before the query: what commits while it runs must count as not seen.
        began = time.monotonic()
        if began - _known.looked_at >= _FRESH:
            _look()
            _known.looked_at = began
    return _known.ruleset


def _look() -> None:
    found = rows.fetch(
        f"SELECT version, holding FROM {PolicyState._meta.db_table} WHERE id = %s", [_ROW]
    )
    version, _known.holding = (found[0][0], bool(found[0][1])) if found else (0, False)
    if version != _known.ruleset.version:
        # Read after the version: rules newer than it are only read once more.
        _known.ruleset = Ruleset(_stored(), version=version)


def _stored() -> list[Rule]:
    kept = PolicyRule.objects.filter(enabled=True).order_by("id").values(*_FIELDS)
    return [Rule(**each) for each in kept]


def changed() -> None:
    """Have every process look the rules up again, from the commit of this transaction on."""
    if not PolicyState.objects.filter(pk=_ROW).update(version=F("version") + 1):
        PolicyState.objects.get_or_create(pk=_ROW, defaults={"version": 1})
    transaction.on_commit(forget)


def note_holding() -> None:
    """Tell every process that client_ids are to be looked for among held messages."""
    # Written whatever stands there: its lock makes `settle_holding` wait for what is held here.
    if not PolicyState.objects.filter(pk=_ROW).update(holding=True):
        PolicyState.objects.get_or_create(pk=_ROW, defaults={"holding": True})
    transaction.on_commit(forget)


def settle_holding() -> None:
    """Tell every process to stop looking, if nothing is held and nothing refused is remembered."""
    PolicyState.objects.select_for_update().filter(pk=_ROW).first()
    PolicyState.objects.filter(pk=_ROW).update(holding=Held.objects.exists())
    transaction.on_commit(forget)


def forget() -> None:
    """Look the rules up again at the next `refresh`."""
    _known.looked_at = 0.0
