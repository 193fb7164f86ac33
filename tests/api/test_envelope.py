"""One envelope for whatever leaves the server under /api/v1."""

import pytest
from django.test import Client

http = Client(raise_request_exception=False)


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("POST", "/api/v1/nothing", 404, "not_found"),
        ("DELETE", "/api/v1", 404, "not_found"),
        ("GET", "/api/v1/conversations/x", 404, "not_found"),
        ("GET", "/api/v1/conversations/99999999999999999999", 404, "not_found"),
        ("GET", "/api/v1/conversations/", 404, "not_found"),
        ("GET", "/api/v1/conversations", 401, "not_authenticated"),
        ("PUT", "/api/v1/conversations", 405, "method_not_allowed"),
        ("GET", "/api/v1/accounts/register", 405, "method_not_allowed"),
        ("POST", "/api/v1/sync", 405, "method_not_allowed"),
    ],
)
def test_failures_have_one_shape(method, path, status, error):
    response = http.generic(method, path, headers={"X-Request-Id": "my.id-1_2"})
    assert response.status_code == status
    answer = response.json()
    assert set(answer) == {"code", "error", "message", "data", "request_id"}
    assert answer["code"] // 100 == status
    assert answer["error"] == error
    assert answer["request_id"] == response.headers["X-Request-Id"] == "my.id-1_2"
    assert response.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "é", "a\tb"])
def test_a_bad_request_id_is_replaced(given):
    response = http.generic("GET", "/api/v1/sync", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] not in ("", given)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=1.0",
        "limit=１",
        "limit=",
        "limit=1&limit=1",
        "unknown=1",
        "limit=99999999999999999999",
        "limit=9007199254740992",
        "cursor=%00",
        "cursor=%ff",
        "cursor=%ed%a0%80",
    ],
)
def test_queries_are_read_strictly(alice, query):
    assert alice.refused("GET", f"conversations?{query}") == "invalid_request"
    assert alice.refused("GET", "accounts/me?x=1") == "invalid_request"


@pytest.mark.parametrize("cursor", ["", "abc", "AAAA", "é"])
def test_foreign_cursors_are_refused(alice, bob, cursor):
    for path in ("conversations", "sync", "messages/search?q=ab&"):
        joint = "" if path.endswith("&") else "?"
        assert alice.refused("GET", f"{path}{joint}cursor={cursor}") == "invalid_cursor"
    cursor = bob.get("sync")["cursor"]
    assert alice.refused("GET", f"sync?cursor={cursor}") == "invalid_cursor"
    assert bob.refused("GET", f"conversations?cursor={cursor}") == "invalid_cursor"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "sync", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "conversations", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("HEAD", "accounts/login", {"OPTIONS", "POST"}),
    ],
)
def test_a_refused_method_is_told_the_others(method, path, allowed):
    response = http.generic(method, f"/api/v1/{path}")
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == allowed


def test_limits_are_clamped(alice):
    assert alice.get("conversations?limit=100000")["next"] is None


def test_head_and_options(alice):
    assert alice.request("HEAD", "conversations").content == b""
    response = http.generic("OPTIONS", "/api/v1/conversations")
    assert response.status_code in (200, 204)
    assert "GET" in response.headers["Allow"] and "POST" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("media_type", "encoding", "status"),
    [
        ("application/json", "", 200),
        ("application/json; charset=utf-8", "", 200),
        ("APPLICATION/JSON; charset=UTF-8", "identity", 200),
        ("application/json; charset=latin-1", "", 415),
        ("text/plain", "", 415),
        ("application/x-www-form-urlencoded", "", 415),
        ("application/json", "gzip", 415),
    ],
)
def test_media_types(alice, media_type, encoding, status):
    headers = {"Authorization": f"Bearer {alice.access}"}
    if encoding:
        headers["Content-Encoding"] = encoding
    response = http.generic("POST", "/api/v1/accounts/me", b"{}", media_type, headers=headers)
    assert response.status_code == status


@pytest.mark.parametrize("header", ["", "Bearer", "Basic abc", "Bearer a b", "Token x", "Bearer é"])
def test_bad_credentials_are_401(header):
    response = http.generic("GET", "/api/v1/sync", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.json()["error"] in ("not_authenticated", "token_invalid")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_nothing_new_has_neither_body_nor_media_type(alice):
    etag = alice.request("GET", "sync").headers["ETag"]
    response = alice.request("GET", "sync", **{"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == etag
    assert "Content-Type" not in response.headers
