"""Access and refresh tokens, tickets, and how quickly they end."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client

from accounts import bans, callers, devices, tickets, tokens
from accounts.models import Device, Ticket
from imsite.core import clock
from tests.cast import Person
from tests.staff import warrant


def _refresh(token: str) -> dict:
    body = {"refresh": token}
    url = "/api/v1/accounts/token/refresh"
    return Client().post(url, body, content_type="application/json").json()


def _caller(person: Person) -> tokens.Caller:
    return tokens.verify(person.access, now=clock.now())


def test_a_token_speaks_for_its_device(alice):
    caller = _caller(alice)
    assert (caller.user_id, caller.device_id) == (alice.id, alice.device_id)


def test_a_token_fits_a_websocket_subprotocol(alice):
    allowed = set("!#$%&'*+-.^_`|~") | set("0123456789")
    assert all(char in allowed or char.isalpha() for char in alice.access)


def test_every_flipped_character_is_found(alice):
    for place in range(len(alice.access)):
        bad = alice.access[:place] + "~" + alice.access[place + 1 :]
        with pytest.raises(tokens.TokenInvalid):
            tokens.verify(bad, now=clock.now())


@pytest.mark.parametrize("junk", ["", ".", "a.b", "1.1.1.1.x", "é", "\ud800", "x" * 10_000])
def test_junk_is_invalid(junk):
    with pytest.raises(tokens.TokenInvalid):
        tokens.verify(junk, now=clock.now())
    with pytest.raises(tokens.TokenInvalid):
        tokens.refresh(junk, now=clock.now())
    with pytest.raises(tokens.TokenInvalid):
        tokens.use_ticket(junk, user_id=1, now=clock.now())


def test_it_expires_to_the_millisecond(alice, settings):
    now = clock.now()
    granted = tokens.grant(Device.objects.get(pk=alice.device_id), at=now)
    end = now + timedelta(seconds=settings.IM_ACCESS_TTL)
    assert granted["access_expires_at"] == clock.wire(end)
    tokens.verify(granted["access"], now=end - timedelta(milliseconds=1))
    with pytest.raises(tokens.TokenExpired):
        tokens.verify(granted["access"], now=end)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (None, "not_authenticated"),
        ("Basic YTpi", "not_authenticated"),
        ("Bearer", "token_invalid"),
        ("Bearer x.y", "token_invalid"),
    ],
)
def test_a_request_says_what_is_wrong(header, error):
    headers = {} if header is None else {"Authorization": header}
    answer = Client().get("/api/v1/accounts/me", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, error)


def test_a_key_can_be_changed(alice, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, the old one is a fallback now"
    _caller(alice)
    fresh = _refresh(alice.refresh)["data"]
    settings.SECRET_KEY_FALLBACKS = []
    tokens.verify(fresh["access"], now=clock.now())
    with pytest.raises(tokens.TokenInvalid):
        _caller(alice)


def test_a_refresh_serves_and_the_old_access_lives_on(alice):
    fresh = _refresh(alice.refresh)["data"]
    assert fresh.keys() == {"access", "access_expires_at", "refresh"}
    assert fresh["refresh"] != alice.refresh
    _caller(alice)
    tokens.verify(fresh["access"], now=clock.now())


def test_a_retry_gets_the_very_same_answer(alice):
    first = _refresh(alice.refresh)["data"]
    time.sleep(0.01)
    assert _refresh(alice.refresh)["data"] == first


def test_racing_refreshes_make_one_successor(alice):
    def refresh(_: int) -> dict:
        try:
            return tokens.refresh(alice.refresh, now=clock.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(refresh, range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert Device.objects.get(pk=alice.device_id).generation == 2


def test_a_late_replay_ends_the_device_for_both(alice):
    now = clock.now()
    fresh = tokens.refresh(alice.refresh, now=now)
    late = now + timedelta(seconds=10, milliseconds=1)
    for token in (alice.refresh, fresh["refresh"]):
        with pytest.raises(tokens.TokenInvalid):
            tokens.refresh(token, now=late)
    assert alice.refused("GET", "accounts/me") == "token_invalid"


def test_a_retry_just_in_time_ends_nothing(alice):
    now = clock.now()
    fresh = tokens.refresh(alice.refresh, now=now)
    assert tokens.refresh(alice.refresh, now=now + timedelta(seconds=10)) == fresh
    assert tokens.refresh(fresh["refresh"], now=now + timedelta(minutes=1))


def test_an_older_generation_is_a_replay_at_once(alice):
    second = _refresh(alice.refresh)["data"]["refresh"]
    _refresh(second)
    assert _refresh(alice.refresh)["error"] == "token_invalid"
    assert alice.refused("GET", "accounts/me") == "token_invalid"


def test_garbage_ends_no_device(alice):
    device, generation, mac = alice.refresh.split(".")
    for bad in (
        f"{device}.{generation}.{mac[::-1]}",
        f"{device}.{int(generation) + 1}.{mac}",
        f"0{device}.{generation}.{mac}",
        f"{device}.{generation}.{mac}=",
        f" {alice.refresh}",
    ):
        assert _refresh(bad)["error"] == "token_invalid"
    assert _refresh(alice.refresh)["code"] == 0


def test_nothing_in_the_row_is_a_token(alice):
    row = Device.objects.filter(pk=alice.device_id).values().get()
    assert alice.refresh.rpartition(".")[2] not in str(row)


def test_an_idle_device_must_log_in_again(alice, settings):
    late = clock.now() + timedelta(days=settings.IM_REFRESH_DAYS, seconds=1)
    with pytest.raises(tokens.TokenInvalid):
        tokens.refresh(alice.refresh, now=late)
    assert _refresh(alice.refresh)["code"] == 0


def test_logout_ends_tokens_and_tickets(alice):
    ticket = alice.post("accounts/ws-ticket")["ticket"]
    alice.post("accounts/logout")
    assert alice.refused("GET", "accounts/me") == "token_invalid"
    assert _refresh(alice.refresh)["error"] == "token_invalid"
    with pytest.raises(tokens.TokenInvalid):
        tokens.use_ticket(ticket, user_id=alice.id, now=clock.now())


def test_another_process_refuses_within_a_second(alice):
    caller = _caller(alice)
    # What another process does is seen in the table alone.
    Device.objects.filter(pk=alice.device_id).update(ended_at=clock.now())
    assert tokens.ended([caller], now=clock.now()) == {caller}
    time.sleep(1)
    assert alice.refused("GET", "accounts/me") == "token_invalid"


def test_states_are_looked_up_once_a_second(alice, django_assert_num_queries):
    callers.forget([alice.device_id])
    with django_assert_num_queries(1):
        for _ in range(5):
            _caller(alice)


@pytest.fixture
def seconds(monkeypatch):
    """A clock for what is known of devices, which stands until somebody adds to its only item."""
    passed = [time.monotonic()]
    monkeypatch.setattr(callers, "time", SimpleNamespace(monotonic=lambda: passed[0]))
    return passed


def _admit(everybody: list[tokens.Caller]) -> None:
    for each in everybody:
        callers.admit(each, now=clock.now())


def test_one_of_many_busy_devices_is_looked_up_for_all(seconds, django_assert_num_queries):
    everybody = [_caller(Person.new("busy")) for _ in range(20)]
    # One that was not heard of for long notes that it is used, so it asks for itself.
    early = clock.now() - timedelta(minutes=6)
    late = Device.objects.filter(pk=everybody[7].device_id)
    late.update(last_seen_at=early)
    callers.forget([each.device_id for each in everybody])
    for _ in range(2):
        _admit(everybody)
    assert late.get().last_seen_at > early
    # While what is known of them still serves, one asks; when none called again, each for itself.
    for passed, queries in ((callers._SOON, 1), (callers._SOON, 1), (callers._FRESH, 1)):
        seconds[0] += passed
        with django_assert_num_queries(queries):
            _admit(everybody)
    seconds[0] += callers._FRESH
    callers._busy.clear()
    with django_assert_num_queries(len(everybody)):
        _admit(everybody)


@pytest.mark.parametrize("step", [0.1, 0.3, 0.7])
def test_a_busy_device_is_refused_within_a_second_whoever_asks(seconds, step):
    ended, *others = [_caller(Person.new("busy")) for _ in range(12)]
    _admit([ended, *others])
    Device.objects.filter(pk=ended.device_id).update(ended_at=clock.now())
    until = seconds[0] + callers._FRESH
    while (seconds[0] + step) < until:
        seconds[0] += step
        _admit(others)
        with contextlib.suppress(tokens.TokenInvalid):
            _admit([ended])
    seconds[0] = until
    with pytest.raises(tokens.TokenInvalid):
        _admit([ended])
    _admit(others)


def test_a_new_login_of_the_device_is_believed_at_once(alice):
    _caller(alice)
    device = Device.objects.get(pk=alice.device_id)
    device.epoch += 1
    device.save()
    fresh = tokens.grant(device, at=clock.now())
    tokens.verify(fresh["access"], now=clock.now())


def test_use_is_noted_every_five_minutes(alice):
    early = clock.now() - timedelta(minutes=6)
    Device.objects.filter(pk=alice.device_id).update(last_seen_at=early)
    callers.forget([alice.device_id])
    _caller(alice)
    assert Device.objects.get(pk=alice.device_id).last_seen_at > early


def test_a_ban_bites_at_once_and_ends_by_itself(alice):
    now = clock.now()
    bans.ban(warrant(), alice.id, until=now + timedelta(minutes=1))
    answer = alice.request("GET", "accounts/me").json()
    until = clock.wire(now + timedelta(minutes=1))
    assert (answer["error"], answer["data"]) == ("banned", {"until": until, "reason": "spam"})
    assert _refresh(alice.refresh)["error"] == "banned"
    caller = tokens.Caller(alice.id, alice.device_id, 1)
    assert tokens.ended([caller], now=now) == {caller}
    later = now + timedelta(minutes=1)
    assert tokens.ended([caller], now=later) == set()
    assert tokens.verify(alice.access, now=later) == caller
    bans.unban(warrant(), alice.id)
    assert alice.get("accounts/me")["id"] == alice.id


def test_a_ticket_serves_once(alice):
    now = clock.now()
    answer = alice.post("accounts/ws-ticket")
    assert answer.keys() == {"ticket", "expires_at"}
    caller = tokens.use_ticket(answer["ticket"], user_id=alice.id, now=now)
    assert caller == _caller(alice)
    with pytest.raises(tokens.TokenInvalid):
        tokens.use_ticket(answer["ticket"], user_id=alice.id, now=now)


def test_racing_for_a_ticket_one_wins(alice):
    ticket = alice.post("accounts/ws-ticket")["ticket"]

    def use(_: int) -> bool:
        try:
            tokens.use_ticket(ticket, user_id=alice.id, now=clock.now())
        except tokens.TokenInvalid:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(8))) == 1


def test_a_ticket_is_for_its_user_and_for_thirty_seconds(alice, bob):
    now = clock.now()
    ticket = tickets.issue(_caller(alice), now=now)["ticket"]
    for user_id, when in ((bob.id, now), (alice.id, now + timedelta(seconds=30))):
        with pytest.raises(tokens.TokenInvalid):
            tokens.use_ticket(ticket, user_id=user_id, now=when)


def test_a_ticket_of_an_earlier_login_is_worthless(alice):
    ticket = alice.post("accounts/ws-ticket")["ticket"]
    devices.sign_in(alice.id, devices.Claim(id=alice.device_id), now=clock.now())
    with pytest.raises(tokens.TokenInvalid):
        tokens.use_ticket(ticket, user_id=alice.id, now=clock.now())


def test_old_tickets_are_swept(alice):
    now = clock.now()
    for minutes in range(3):
        tickets.issue(_caller(alice), now=now + timedelta(minutes=minutes))
    assert Ticket.objects.filter(device_id=alice.device_id).count() == 1


def test_ended_asks_once_for_all(alice, bob, django_assert_num_queries):
    asked = [_caller(alice), _caller(bob), tokens.Caller(alice.id, 2**40, 1)]
    with django_assert_num_queries(1):
        assert tokens.ended(asked, now=clock.now()) == {asked[2]}
