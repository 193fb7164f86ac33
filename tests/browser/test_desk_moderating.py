"""Moderators at work in a real browser, while two real clients follow what becomes of the talk."""

import json
import uuid

import pytest
from playwright.sync_api import expect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests import desk
from tests.browser.followers import Follower, until
from tests.cast import Person, Talk, talk_of


@pytest.fixture
def story(server):
    """Alice and Bob talk, each with a client that follows."""
    alice, bob = Person.new("alice"), Person.new("bob")
    talk = talk_of(alice, bob)
    clients = [Follower(server, alice), Follower(server, bob)]
    yield alice, bob, talk, clients
    for client in clients:
        client.close()


@pytest.fixture
def senior(server):
    return desk.new_staff("Senior moderator", password=desk.STAFF_PASSWORD)


def all_have(clients: list[Follower], talk: Talk, test) -> None:
    """Wait until each client's log passes the test."""
    until(lambda: all(test(client.items(talk.id)) for client in clients))


def stub(items, seq: int) -> bool:
    """Say whether this item is there and nothing of its content."""
    return any(
        item["seq"] == seq and "recalled_at" in item and "text" not in item for item in items
    )


def readable(who: Person, talk: Talk) -> str:
    """Every byte that the routes of a conversation give this person."""
    paths = [
        talk.path, f"{talk.path}/messages", f"{talk.path}/messages?around=3&view=chat",
        f"messages?after={talk.id}:0", "conversations", "sync?messages=20", "accounts/export",
        f"{talk.path}/messages/at?time=2020-01-01T00:00:00Z",
    ]  # fmt: skip
    return "".join(who.request("GET", path).content.decode() for path in paths)


def test_a_report_is_read_in_its_context_and_the_message_recalled(window, story, senior):
    alice, bob, talk, clients = story
    secret = f"pills {uuid.uuid4().hex}"
    talk.say(bob, "what was said before")
    seq = talk.say(alice, f"buy {secret} <b>now</b> \u202egro.live")["seq"]
    talk.say(bob, "what was said after")
    bob.post(f"{talk.path}/messages/{seq}/report", {"reason": "spam", "note": "third time"})
    all_have(clients, talk, lambda items: any(secret in item.get("text", "") for item in items))

    window.log_in(senior.username)
    window.page.click("text=Open reports")
    window.shoot("queue")
    window.page.locator("tr", has_text=secret).locator("a").first.click()
    content = window.page.locator("#content")
    for words in (secret, "what was said before", "what was said after", "third time"):
        expect(content).to_contain_text(words)
    window.page.click("[name=claim]")
    expect(window.page.locator("#content")).to_contain_text("works on it until")
    window.shoot("case", whole=True)
    window.page.check("[name=outcome][value=recall]")
    window.page.fill("[name=reason]", "advertising, third time")
    window.page.click("[name=close]")
    expect(window.page.locator(".messagelist")).to_contain_text("closed")

    all_have(clients, talk, lambda items: stub(items, seq))
    for who in (alice, bob):
        assert secret not in readable(who, talk)


def test_many_are_looked_at_recalled_and_put_back(window, story, senior):
    alice, bob, talk, clients = story
    word = f"casino{uuid.uuid4().hex[:8]}"
    seqs = [talk.say(alice, f"come to the {word} number {n}")["seq"] for n in range(3)]
    kept = talk.say(alice, "something else")["seq"]

    window.log_in(senior.username)
    window.open("messagelog/recallorder/")
    window.page.click("text=Recall many")
    window.page.fill("[name=sender]", alice.user["username"])
    window.page.fill("[name=phrase]", word)
    window.page.click("text=See what it would be")
    expect(window.page.locator("#content")).to_contain_text("would recall 3 messages of 1 people")
    assert not any(stub(clients[0].items(talk.id), seq) for seq in seqs)
    window.shoot("recall-preview", whole=True)
    window.page.fill("[name=reason]", "advertising")
    window.page.click("text=Recall them")
    expect(window.page.locator("#content")).to_contain_text("3 of 3")
    window.shoot("recall-order")
    all_have(clients, talk, lambda items: all(stub(items, seq) for seq in seqs))
    assert word not in readable(bob, talk)
    assert not stub(clients[0].items(talk.id), kept)

    window.page.click("text=Put back")
    window.page.fill("[name=reason]", "the casino is a film")
    window.page.click("[type=submit][value='Put back']")
    expect(window.page.locator(".messagelist")).to_contain_text("put back")
    all_have(
        clients,
        talk,
        lambda items: sum(word in item.get("text", "") for item in items) == 3,
    )
    assert word in readable(bob, talk)


def test_a_ban_closes_a_live_socket(window, story, senior, server):
    alice, *_ = story
    ticket = alice.post("accounts/ws-ticket")["ticket"]
    address = f"{server.replace('http', 'ws', 1)}/ws?id={alice.id}&token={ticket}"
    window.log_in(senior.username)
    window.open(f"accounts/user/{alice.id}/change/")
    window.shoot("person")
    with connect(address) as socket:
        assert json.loads(socket.recv(5))["t"] == "hello"
        window.page.click(".acts >> text=Ban")
        window.page.fill("[name=reason]", "threats")
        window.shoot("ban")
        window.page.click("[type=submit][value='Ban']")
        expect(window.page.locator(".messagelist")).to_contain_text("Banned")
        took = until(lambda: _closed(socket) == 4401, 5)
    assert took < 5
    assert alice.request("GET", "accounts/me").json()["error"] == "banned"


def _closed(socket) -> int | None:
    try:
        socket.recv(0.05)
    except TimeoutError:
        return None
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else -1
    return None


def test_support_sees_why_a_badge_says_so(window, story):
    alice, bob, talk, _ = story
    for n in range(3):
        talk.say(alice, f"unread number {n}")
    user = desk.new_staff("Support", password=desk.STAFF_PASSWORD)
    window.log_in(user.username)
    window.open(f"accounts/user/{bob.id}/change/")
    window.page.click("text=Why is the badge so")
    window.page.fill("[name=reason]", "asked by mail")
    window.page.click("#content [type=submit]")
    content = window.page.locator("#content")
    expect(content).to_contain_text(f"says {bob.get('sync')['unread_total']}")
    for n in range(3):
        expect(content).to_contain_text(f"unread number {n}")
    window.shoot("badge")
