"""One provider that hangs delays no other, whichever and however many hang."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from push import transport
from push.providers.base import PushFailed
from tests.standins.running import send_to
from tests.standins.sending import push_of, send, target_of

HANGING = 8


@pytest.fixture
def all_of_them(standins, settings, impatient):
    """Send everything to stand-ins: FCM, APNs and Web Push at once."""
    found = {name: standins(name) for name in ("fcm", "apns", "webpush")}
    authorities = []
    for each in found.values():
        each.reset()
        send_to(each, settings)
        if "IM_PUSH_CA" in each.environment:
            authorities.append(Path(each.environment["IM_PUSH_CA"]).read_text())
    return found, "".join(authorities)


@pytest.mark.parametrize("hanging", ["fcm", "apns", "webpush"])
def test_while_one_hangs_the_others_are_quick(all_of_them, hanging, settings, tmp_path):
    found, authorities = all_of_them
    (tmp_path / "authorities.pem").write_text(authorities)
    settings.IM_PUSH_CA = str(tmp_path / "authorities.pem")
    transport.close()
    targets = {name: target_of(each) for name, each in found.items()}
    for target in targets.values():
        send(target)
    found[hanging].order(how="hang")
    with ThreadPoolExecutor(HANGING) as threads:
        stuck = [threads.submit(_fail, targets[hanging]) for _ in range(HANGING)]
        time.sleep(0.2)
        for name in found.keys() - {hanging}:
            began = time.monotonic()
            for seq in range(10):
                send(targets[name], push_of(seq=seq + 1))
            assert time.monotonic() - began < settings.IM_PUSH_TIMEOUT * 0.75
        assert not any(each.done() for each in stuck)
        assert all(each.result() < settings.IM_PUSH_TIMEOUT + 1.5 for each in stuck)
    transport.close()


def _fail(target) -> float:
    began = time.monotonic()
    with pytest.raises(PushFailed):
        send(target)
    return time.monotonic() - began


@pytest.mark.parametrize("standin", ["apns"], indirect=True)
def test_a_push_that_hangs_takes_no_other_on_its_connection_with_it(impatient, standin):
    standin.order("abcdef0123456789", how="hang")
    stuck = threading.Thread(target=_fail, args=[target_of(standin)])
    stuck.start()
    other = target_of(standin, "0123456789abcdef")
    until = time.monotonic() + impatient + 0.5
    while time.monotonic() < until:
        send(other)
        time.sleep(0.05)
    stuck.join()
    counts = standin.counts()
    assert (counts["connections"], counts["given up"]) == (1, 1)


@pytest.mark.parametrize("standin", ["apns"], indirect=True)
def test_a_connection_that_fell_silent_is_given_up_and_the_next_push_has_another(
    impatient, standin
):
    send(target_of(standin))
    standin.order(how="hang", times=1)
    _fail(target_of(standin))
    send(target_of(standin))
    assert standin.counts()["connections"] == 2


@pytest.mark.parametrize("standin", ["apns"], indirect=True)
def test_a_server_that_leaves_is_called_anew(standin):
    send(target_of(standin))
    standin.order(how="leave", times=1)
    _fail(target_of(standin))
    send(target_of(standin))
    assert standin.counts()["connections"] == 2


@pytest.mark.parametrize("standin", ["apns"], indirect=True)
def test_more_calls_than_streams_wait_their_turn(standin):
    targets = [target_of(standin, f"{n:016x}") for n in range(300)]
    with ThreadPoolExecutor(150) as threads:
        list(threads.map(send, targets))
    counts = standin.counts()
    assert (counts["accepted"], counts["connections"]) == (300, 1)
