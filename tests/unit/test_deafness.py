"""A worker is deaf when tasks have waited for long and it took none, not before."""

from imsite.deafness import EVERY, PATIENCE, Hearing


def test_it_is_deaf_after_its_patience_and_not_before():
    hearing = Hearing()
    hearing.well(at=100.0)
    assert not hearing.is_deaf(at=100.0 + PATIENCE)
    assert hearing.is_deaf(at=100.1 + PATIENCE)
    hearing.well(at=120.0)
    assert not hearing.is_deaf(at=121.0)


def test_a_bell_of_the_sweep_comes_before_it_is_taken_for_deaf():
    # Beat rings for pushes every 5 s: a worker that hears has taken two of them by then.
    assert PATIENCE > 2 * 5 + EVERY - 1
