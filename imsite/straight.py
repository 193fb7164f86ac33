"""HTTP whose short requests go straight from the parser to a fiber, and back in one write.

For the other requests uvicorn makes a task, and ASGI some ten coroutines: of what a page costs the process
they were a quarter.
"""

from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from imsite.core.bridge import Answer, Bridge
from imsite.serve import BoundedHttp


class StraightHttp(BoundedHttp):
    """A connection; what is not short, not whole, or not alone takes the usual way."""

    # While data is parsed: the request that may be answered straight, once its body is seen to be there.
    _noted: RequestResponseCycle | None = None
    _parsing = False

    def data_received(self, data: bytes) -> None:
        """Parse, then answer."""
        self._parsing = True
        super().data_received(data)
        self._parsing = False
        if self._noted:
            cycle, self._noted = self._noted, None
            self._begin(cycle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        bridge: Bridge | None = getattr(app, "bridge", None)
        scope: Any = cycle.scope
        if self._parsing and bridge and bridge.takes(scope):
            self._noted = cycle
        else:
            super()._start_asgi_task(cycle, app)

    def _begin(self, cycle: RequestResponseCycle) -> None:
        if cycle.more_body or self.flow.write_paused or self.transport.is_closing():
            super()._start_asgi_task(cycle, self.app)
            return
        app: Any = self.app
        scope: Any = cycle.scope
        app.bridge.start(scope, cycle.body, partial(self._end, cycle))

    def _end(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        # The connection may have been closed for what came after this request.
        if cycle.disconnected or self.transport.is_closing():
            return
        # What is short comes whole.
        assert answer.rest is None
        parts = [STATUS_LINE[answer.status]]
        for name, value in (*self.server_state.default_headers, *answer.headers):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n", answer.body)
        self.transport.write(b"".join(parts))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
