"""Which clock is believed: nothing is early by more than the slack, and no doubt lasts for ever."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imsite.core import caution, clock
from imsite.core.caution import SLACK, TRIAL, Reading, believe

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Machine:
    """Runs every hour, by a clock that somebody sets."""

    def __init__(self) -> None:
        self.wrong = timedelta()
        self.passed = timedelta()
        self.boot, self.booted = "one", timedelta()
        self.last: Reading | None = None
        self.doubt: Reading | None = None
        self.run()

    @property
    def truth(self) -> datetime:
        return NOON + self.passed

    def run(self) -> datetime:
        uptime = (self.passed - self.booted).total_seconds() + 100
        reading = Reading(self.truth + self.wrong, self.boot, uptime)
        self.last, self.doubt = believe(reading, self.last, self.doubt)
        return self.last.at

    def after(self, passed: timedelta) -> datetime:
        self.passed += passed
        return self.run()


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_step_of_an_hour_is_taken(step):
    machine = Machine()
    machine.wrong = step
    assert machine.after(HOUR) == machine.truth + step
    assert machine.doubt is None


def test_a_jump_is_not_believed_and_time_goes_on():
    machine = Machine()
    machine.wrong = timedelta(days=8)
    for _ in range(23):
        assert machine.after(HOUR) == machine.truth
        assert machine.doubt is not None


def test_a_jump_that_stands_for_a_day_is():
    machine = Machine()
    machine.wrong = timedelta(days=8)
    for _ in range(25):
        machine.after(HOUR)
    assert machine.last.at == machine.truth + machine.wrong
    assert machine.doubt is None


def test_a_jump_of_one_process_among_others_never_is():
    machine = Machine()
    for _ in range(100):
        machine.wrong = timedelta(days=8)
        assert machine.after(HOUR / 2) == machine.truth
        machine.wrong = timedelta()
        assert machine.after(HOUR / 2) == machine.truth
        assert machine.doubt is None


def test_a_clock_that_goes_back_is_followed_at_once():
    machine = Machine()
    machine.wrong = -timedelta(days=8)
    assert machine.after(HOUR) == machine.truth + machine.wrong


def test_after_a_reboot_a_day_is_believed_and_more_is_not():
    for away, believed in ((timedelta(hours=20), True), (timedelta(days=30), False)):
        machine = Machine()
        machine.passed += away
        machine.boot, machine.booted = "two", machine.passed
        before = machine.truth
        assert (machine.run() == before) == believed
        for _ in range(25):
            machine.after(HOUR)
        assert machine.last.at == machine.truth, "and after a day all of it is"


JUMPS = st.lists(st.tuples(st.integers(-200, 200), st.integers(1, 30)), max_size=12)


@settings(deadline=None)
@given(JUMPS)
def test_nothing_is_early_by_more_than_the_slack(jumps):
    """Whatever the clock does, unless what it says has stood for a day."""
    machine = Machine()
    said: list[timedelta] = []
    for wrong, hours in jumps:
        machine.wrong = timedelta(hours=wrong)
        for _ in range(hours):
            before = max(machine.last.at - machine.truth, timedelta())
            early = machine.after(HOUR) - machine.truth
            said.append(machine.wrong)
            day = said[-round(TRIAL / HOUR) - 1 :]
            stood = len(day) > TRIAL / HOUR and min(day) >= early - 2 * SLACK
            assert early <= before + SLACK or stood
            if len(day) > TRIAL / HOUR and len(set(day)) == 1:
                assert early == machine.wrong, "no doubt lasts for ever"


def test_the_earliest_of_the_clocks_is_read(monkeypatch):
    truth = caution.read()
    assert truth.boot and truth.uptime > 0
    assert abs(truth.at - clock.now()) < timedelta(seconds=5)


def test_a_process_that_runs_ahead_is_not_followed(valkey, monkeypatch):
    """The other clock is the database server's, or with SQLite valkey's."""
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(days=8))
    assert abs(caution.read().at - real()) < timedelta(seconds=5)


def test_a_reading_is_kept_as_it_was():
    reading = Reading(NOON, "one", 12.5)
    assert Reading.of(reading.shape()) == reading
    assert Reading.of(None) is None
