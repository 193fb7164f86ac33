"""Whole stories through the reference client, as its users live them."""

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest

from tests.cast import PASSWORD, Person
from tests.conftest import serving
from tests.ports import free_port

FILE = Path(__file__).resolve().parents[2] / "clients" / "python" / "imclient.py"
spec = importlib.util.spec_from_file_location("imclient", FILE)
imclient = importlib.util.module_from_spec(spec)
sys.modules["imclient"] = imclient
spec.loader.exec_module(imclient)


async def signed_in(url: str, who: Person, **more) -> "imclient.Client":
    client = imclient.Client(url, **more)
    await client.login(who.user["username"], PASSWORD)
    return client


async def until(check, seconds: float = 20) -> None:
    """Wait for a state to come about."""
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.05)


async def follow(client) -> None:
    """Keep a client in sync, as a program with a screen would."""
    async for _ in client.watch():
        pass


def texts(client, conversation_id: int) -> list[str]:
    return [item["text"] for item in client.store.items(conversation_id) if "text" in item]


async def test_two_devices_and_a_peer_converge(server, direct, alice, bob):
    phone = await signed_in(server, alice)
    desk = await signed_in(server, alice, pings=False)
    peer = await signed_in(server, bob, over_socket=True)
    tasks = [asyncio.create_task(follow(client)) for client in (phone, desk, peer)]
    try:
        for n in range(10):
            await phone.send(direct.id, f"phone {n}")
            await peer.send(direct.id, f"peer {n}")
        receipt = await desk.send(direct.id, "wrong")
        await desk.edit(direct.id, receipt["seq"], text="right")
        gone = await phone.send(direct.id, "gone")
        await phone.recall(direct.id, gone["seq"])
        await peer.read(direct.id, gone["seq"])
        last = (await phone.conversation(direct.id))["last_seq"]
        clients = (phone, desk, peer)
        await until(lambda: all((c.store.span(direct.id) or (0, 0))[1] >= last for c in clients))
        await until(lambda: all("wrong" not in texts(c, direct.id) for c in clients))
        logs = [list(client.store.items(direct.id)) for client in clients]
        assert logs[0] == logs[1] == logs[2] == await asyncio.to_thread(direct.all, bob)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in (phone, desk, peer):
            await client.aclose()


async def test_a_client_comes_back_after_the_server_was_away(valkey, direct, alice, bob):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving(port):
        client = await signed_in(url, alice)
        peer = await signed_in(url, bob)
        task = asyncio.create_task(follow(client))
        await peer.send(direct.id, "before")
        await until(lambda: "before" in texts(client, direct.id))
    waiting = asyncio.create_task(peer.send(direct.id, "while it was away"))
    await asyncio.sleep(0.5)
    with serving(port):
        await waiting
        await until(lambda: "while it was away" in texts(client, direct.id), 60)
        assert texts(client, direct.id).count("while it was away") == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()
        await peer.aclose()


@pytest.mark.parametrize("act", ["ls", "history", "send", "export"])
def test_the_command_line(server, direct, alice, act, tmp_path, capsys, monkeypatch):
    direct.say(alice, "hello \x1b[31mred\x1b[0m \u202egnp.exe")
    monkeypatch.setenv("IM_PASSWORD", PASSWORD)
    base = ["--server", server, "--store", str(tmp_path / "store")]
    assert imclient.CLI.main([*base, "login", alice.user["username"]]) == 0
    rest = {"ls": [], "send": [str(direct.id), "from the shell"]}
    args = rest.get(act, [str(direct.id)])
    assert imclient.CLI.main([*base, act, *args]) == 0
    shown = capsys.readouterr().out
    if act == "history":
        assert "hello" in shown and "\x1b" not in shown and "\u202e" not in shown
    if act == "send":
        assert direct.all(alice)[-1]["text"] == "from the shell"


def test_the_command_line_for_pushes(server, direct, alice, bob, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("IM_PASSWORD", PASSWORD)
    base = ["--server", server, "--store", str(tmp_path / "store")]

    def run(*args: str) -> str:
        assert imclient.CLI.main([*base, *args]) == 0
        return capsys.readouterr().out

    run("login", bob.user["username"])
    assert run("push", "fcm", "a-token", "--app", "chat") == "fcm       this device  chat\n"
    assert run("push-settings") == "preview yes, never quiet\n"
    night = ["--quiet", "22:00", "07:00", "Asia/Tokyo"]
    assert run("push-settings", *night) == "preview yes, quiet 22:00-07:00 Asia/Tokyo\n"
    assert run("push-settings", "--preview", "no").startswith("preview no, quiet 22:00")
    assert run("push-settings", "--no-quiet") == "preview no, never quiet\n"
    seq = direct.say(bob, "mine")["seq"]
    assert "this device: It is the user's own message." in run("why", str(direct.id), str(seq))
    assert run("push", "--remove") == ""
    assert imclient.CLI.main([*base, "push", "apns", "short"]) == 1
