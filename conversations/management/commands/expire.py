"""Delete what is older than it is kept, or tell what would be deleted."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations import upkeep
from imsite.core import caution, chores, clock


class Command(BaseCommand):
    """Do now what the worker does every hour, to the end."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what may be given."""
        parser.add_argument("chores", nargs="*", metavar="CHORE", help="only these")
        parser.add_argument("--dry-run", action="store_true", help="only tell what would go")
        parser.add_argument(
            "--trust-clock", action="store_true", help="the clock is right, though it jumped"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run or survey each chore and tell what came of it."""
        names = options["chores"] or chores.names()
        if unknown := set(names) - set(chores.names()):
            raise CommandError(
                f"no chore {', '.join(sorted(unknown))}: {', '.join(chores.names())}"
            )
        for name in names:
            how = {"reading": caution.read(), "trusting": options["trust_clock"]}
            if options["dry_run"]:
                self._survey(*upkeep.survey(name, **how))
            else:
                self._ran(*upkeep.run(name, **how))

    def _survey(self, plan: upkeep.Plan, found: list[chores.Due]) -> None:
        told = upkeep.standing(now=plan.now)[plan.chore.name]["lag_seconds"]
        lag = "never finished" if told is None else f"last finished {told:.0f} s ago"
        self._tell(plan, lag)
        for each in found:
            self.stdout.write(f"  {each.kind} {each.number}: {each.rule}")

    def _ran(self, plan: upkeep.Plan, done: chores.Done) -> None:
        self._tell(plan, ", ".join(f"{kind} {n}" for kind, n in done.gone.items()) or "nothing")

    def _tell(self, plan: upkeep.Plan, said: str) -> None:
        self.stdout.write(f"{plan.chore.name}, by {clock.wire(plan.now)}: {said}")
        if plan.doubt:
            doubted = clock.wire(plan.doubt.at)
            self.stderr.write(f"the clock says {doubted}, and is not believed: see --trust-clock")
