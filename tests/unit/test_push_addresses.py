"""Web Push calls servers that clients name: never one in our own networks, however it is written."""

import json
import logging
import socket
import threading

import pytest

from push import transport
from push.providers import http
from push.providers.base import PushFailed
from tests.standins.sending import push_of, send, target_of

INSIDE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "::127.0.0.1",
]
OUTSIDE = ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_within_are_not_public(address):
    assert not http.is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_addresses_of_the_internet_are(address):
    assert http.is_public(address)


@pytest.fixture
def listener():
    """Listen on this machine; return the port, and what tells whether anybody knocked."""
    knocked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            try:
                while True:
                    server.accept()[0].close()
                    knocked.set()
            except OSError:
                return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], knocked
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture
def subscribed(standins, settings):
    """Return what makes a target of a subscription with another endpoint."""
    service = standins("webpush")
    settings.PUSH_ROUTES = {**settings.PUSH_ROUTES, "webpush": "webpush"}
    settings.IM_VAPID_SUBJECT = "mailto:push@example.org"
    transport.close()
    told = json.loads(target_of(service).token)
    yield lambda endpoint: target_of(service, token=json.dumps({**told, "endpoint": endpoint}))
    transport.close()


HOSTS = ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"]


@pytest.mark.parametrize("host", HOSTS)
def test_nobody_within_is_called_for_a_client(subscribed, listener, host):
    port, knocked = listener
    with pytest.raises(PushFailed, match="not public"):
        send(subscribed(f"https://{host}:{port}/x"))
    assert not knocked.is_set()


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "0177.0.0.1", "localhost."])
def test_nor_by_a_name_that_is_a_number_in_disguise(subscribed, listener, host):
    port, knocked = listener
    with pytest.raises(PushFailed):
        send(subscribed(f"https://{host}:{port}/x"))
    assert not knocked.is_set()


BAD = [
    "http://push.example.org/x",
    "ftp://push.example.org/x",
    "file:///etc/passwd",
    "https://user:password@push.example.org/x",
    "https:///x",
    "https://push.example.org:99999/x",
    "https://push example.org/x",
    "//push.example.org/x",
    "",
]


@pytest.mark.parametrize("endpoint", BAD)
def test_an_endpoint_that_is_none_is_forgotten(subscribed, endpoint):
    with pytest.raises(PushFailed) as failure:
        send(subscribed(endpoint))
    assert failure.value.gone


@pytest.mark.parametrize("standin", ["webpush"], indirect=True)
def test_redirects_are_not_followed(standin, listener):
    standin.order(status=307)
    with pytest.raises(PushFailed, match="307"):
        send(target_of(standin))


@pytest.mark.parametrize("standin", ["webpush"], indirect=True)
def test_a_server_that_a_client_names_and_that_is_down_stops_no_other(standin):
    theirs = target_of(standin)
    theirs = target_of(standin, token=theirs.token.replace(standin.url, "https://localhost:1"))
    for _ in range(10):
        with pytest.raises(PushFailed):
            send(theirs)
    send(target_of(standin))


@pytest.mark.parametrize("standin", ["webpush"], indirect=True)
def test_what_an_endpoint_ends_in_is_in_no_line(standin, caplog):
    with caplog.at_level(logging.INFO):
        secret = target_of(standin)
        secret = target_of(standin, token=secret.token.replace(standin.url, "https://localhost:1"))
        for _ in range(10):
            with pytest.raises(PushFailed) as failure:
                send(secret, push_of(text="a secret"))
            assert "/push/" not in failure.value.reason
    assert "rests for" in caplog.text and "/push/" not in caplog.text
