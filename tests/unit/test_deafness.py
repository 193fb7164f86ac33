"""A worker is deaf when tasks have waited for long and it took none, not before; then it connects anew."""

import logging
from types import SimpleNamespace

import pytest
import redis
from kombu.asynchronous import Hub

from imsite import deafness
from imsite.deafness import EVERY, PATIENCE, Hearing


def test_it_is_called_after_its_patience_once_and_ended_after_twice_that():
    hearing = Hearing()
    hearing.well(at=100.0)
    assert not hearing.must_be_called(at=100.0 + PATIENCE)
    assert hearing.must_be_called(at=100.1 + PATIENCE)
    assert not hearing.must_be_called(at=102.0 + PATIENCE)
    assert not hearing.is_deaf(at=100.0 + 2 * PATIENCE)
    assert hearing.is_deaf(at=100.1 + 2 * PATIENCE)
    hearing.well(at=200.0)
    assert not hearing.is_deaf(at=201.0)
    assert hearing.must_be_called(at=200.1 + PATIENCE)


def test_a_bell_of_the_sweep_comes_before_it_is_taken_for_deaf():
    # Beat rings for pushes every 5 s: a worker that hears has taken two of them by then.
    assert PATIENCE > 2 * 5 + EVERY - 1


def test_what_celery_could_not_acknowledge_makes_it_connect_anew():
    """Into the loop of a worker goes what makes it connect: the loss that Celery only wrote down."""
    hub = Hub()
    listener = deafness.Listener(SimpleNamespace(hub=hub))
    logger = logging.getLogger("imsite.test.deafness")
    logger.addHandler(listener)
    logger.propagate = False
    try:
        logger.critical("Something else")
        logger.error("Couldn't ack %r, reason:%r", 1, "less")
        next(hub.create_loop())
        logger.critical("Couldn't ack %r, reason:%r", 1, "gone")
        with pytest.raises(redis.ConnectionError):
            next(hub.create_loop())
    finally:
        logger.removeHandler(listener)
        hub.close()
