"""The one subscriber of a process: joins the groups its sockets need, and hears each message once."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

log = logging.getLogger("imsite.ear")
# Seconds that joining some groups may take before the rest waits for the next beat.
_PATIENCE = 2.0
_DOWN = (RedisError, OSError, TimeoutError)


class Ear:
    """Listens on one channel; groups that cannot be joined now are joined when Redis is back."""

    def __init__(self, heard: Callable[[dict[str, Any]], None]) -> None:
        self._layer = get_channel_layer()
        self._name = f"hub.{uuid.uuid4().hex}"
        self._heard = heard
        self._missing: set[str] = {f"h.{self._name}"}
        self._beats = 0
        self._echoed = 0
        self._listening = asyncio.Event()
        self.deaf = False

    async def listen(self) -> None:
        """Hand on what comes, for as long as the task lives."""
        while True:
            # Nobody runs between this and the layer's knowing the channel, which joining needs.
            self._listening.set()
            try:
                message = await self._layer.receive(self._name)
            except _DOWN:
                await asyncio.sleep(1.0)
                continue
            if "h" in message:
                self._echoed = message["h"]
                continue
            try:
                self._heard(message)
            except Exception:
                # One message that breaks something must not make everybody deaf.
                log.exception("a ping could not be handed on")

    async def join(self, groups: Iterable[str]) -> None:
        """Join groups; what fails is tried again with each beat."""
        self._missing.update(groups)
        if not self.deaf:
            await self._join_missing()

    async def _join_missing(self) -> None:
        await self._listening.wait()
        try:
            async with asyncio.timeout(_PATIENCE):
                while self._missing:
                    group = next(iter(self._missing))
                    await self._layer.group_add(group, self._name)
                    self._missing.discard(group)
        except _DOWN as error:
            self._became_deaf(type(error).__name__)

    async def leave(self, groups: Iterable[str]) -> None:
        """Leave groups; while Redis is away there is nothing to leave."""
        with contextlib.suppress(*_DOWN):
            for group in groups:
                self._missing.discard(group)
                async with asyncio.timeout(_PATIENCE):
                    await self._layer.group_discard(group, self._name)

    async def beat(self) -> bool:
        """Send a message to oneself; return True if pings are heard again after they were not.

        Call it every few seconds: a beat that has not come back by the next one means deafness.
        """
        lost = self._echoed < self._beats
        healed = self.deaf and not lost and not self._missing
        if healed:
            log.info("pings are heard again")
            self.deaf = False
        elif lost:
            self._became_deaf("no echo")
        await self._join_missing()
        await self._call_out()
        return healed

    async def _call_out(self) -> None:
        self._beats += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._layer.group_send(f"h.{self._name}", {"h": self._beats})
        except _DOWN as error:
            self._became_deaf(type(error).__name__)

    def _became_deaf(self, why: str) -> None:
        if not self.deaf:
            self.deaf = True
            log.warning("pings are not heard, heads are compared instead: %s", why)
