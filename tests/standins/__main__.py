"""Runs one stand-in until its parent goes: `python -m tests.standins fcm|apns|webpush|webhook`."""

import asyncio
import importlib
import json
import sys

import uvloop

CLASSES = {"fcm": "Fcm", "apns": "Apns", "webpush": "WebPush", "webhook": "Webhook"}


async def serve(name: str) -> None:
    """Serve, and tell where in one line; end when standard input does."""
    module = importlib.import_module(f"tests.standins.{name}")
    told = await getattr(module, CLASSES[name])().start()
    print(json.dumps(told), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


uvloop.run(serve(sys.argv[1]))
