"""A provider that fails is spared, tried with one call, and never for longer than promised."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from push.breaker import LONGEST, LONGEST_ASKED, PATIENCE, Breaker

CALL = 10.0


def _fail(breaker: Breaker, at: float, **more: float) -> float:
    era = breaker.enter(at, longest=CALL)
    assert era is not None
    return breaker.failed(era, at, **more)


def _down(at: float = 0.0, draw: float = 1.0) -> Breaker:
    breaker = Breaker(draw=lambda: draw)
    for _ in range(PATIENCE):
        _fail(breaker, at)
    return breaker


def test_some_failures_are_borne():
    breaker = Breaker()
    for _ in range(PATIENCE - 1):
        _fail(breaker, 0.0)
    assert breaker.left(0.0) == 0


def test_a_success_between_begins_the_count_anew():
    breaker = Breaker()
    for _ in range(PATIENCE * 3):
        _fail(breaker, 0.0)
        breaker.passed(breaker.enter(0.0, longest=CALL))
    assert breaker.left(0.0) == 0


def test_failures_in_a_row_make_it_rest_a_second():
    breaker = _down()
    assert breaker.left(0.0) == 1.0
    assert breaker.enter(0.9, longest=CALL) is None


def test_after_the_rest_one_call_tries_and_the_others_wait():
    breaker = _down()
    assert breaker.enter(1.0, longest=CALL) is not None
    assert breaker.enter(1.0, longest=CALL) is None
    assert 0 < breaker.left(1.0) < 1


def test_one_trial_that_passes_opens_it_for_all():
    breaker = _down()
    breaker.passed(breaker.enter(1.0, longest=CALL))
    assert [breaker.enter(1.0, longest=CALL) is None for _ in range(5)] == [False] * 5


def test_a_trial_whose_outcome_never_comes_blocks_nobody_for_ever():
    breaker = _down()
    assert breaker.enter(1.0, longest=CALL) is not None
    assert breaker.enter(1.0 + CALL, longest=CALL) is not None


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=30))
def test_rests_grow_from_a_second_and_never_beyond_the_longest(draws):
    draw = iter(draws * 2)
    breaker = Breaker(patience=1, draw=lambda: next(draw))
    at, rests = 0.0, []
    for _ in draws:
        rests.append(_fail(breaker, at))
        at += rests[-1]
    assert all(0.5 * min(LONGEST, 2.0**n) <= rest <= LONGEST for n, rest in enumerate(rests))


def test_what_was_under_way_when_it_fell_does_not_lengthen_the_rest():
    breaker = Breaker(draw=lambda: 1.0)
    eras = [breaker.enter(0.0, longest=CALL) for _ in range(50)]
    assert sum(breaker.failed(era, 0.0) for era in eras) == 1.0


def test_what_was_under_way_when_it_fell_does_not_end_the_rest():
    breaker = Breaker(draw=lambda: 1.0)
    late = breaker.enter(0.0, longest=CALL)
    for _ in range(PATIENCE):
        _fail(breaker, 0.0)
    breaker.passed(late)
    assert breaker.left(0.0) == 1.0


def test_a_provider_that_asks_to_wait_rests_at_once_and_for_that_long():
    breaker = Breaker(draw=lambda: 1.0)
    assert _fail(breaker, 0.0, retry_after=7.0) == 7.0
    assert breaker.enter(6.9, longest=CALL) is None


def test_one_that_asks_for_days_is_tried_after_a_minute():
    assert _fail(Breaker(), 0.0, retry_after=1e9) == LONGEST_ASKED


def test_one_of_many_threads_tries():
    breaker, passed = _down(), []
    threads = [
        threading.Thread(target=lambda: passed.append(breaker.enter(5.0, longest=CALL)))
        for _ in range(20)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(passed) == 20 and sum(era is not None for era in passed) == 1
