"""How a stand-in is steered: plain HTTP on a port of its own.

`POST /orders {"token": null, "how", "status", "reason", "retry_after", "times"}`, `POST /reset`,
`GET /accepted?since=N`, `GET /counts`, and what a stand-in adds.
"""

from collections.abc import Callable
from typing import Any

import orjson

from tests.standins import http1
from tests.standins.behaviour import Behaviour, Order

More = Callable[[str, dict[str, Any]], Any]


async def listen(behaviour: Behaviour, more: More = lambda path, body: None) -> int:
    """Serve the controls of a stand-in; return the port."""

    def answer(request: http1.Request) -> http1.Reply:
        said = orjson.loads(request.body or b"{}")
        return http1.Reply(body=orjson.dumps(_do(behaviour, request, said, more)))

    return await http1.listen(answer)


def _do(behaviour: Behaviour, request: http1.Request, said: dict[str, Any], more: More) -> Any:
    if request.path == "/orders":
        behaviour.order(said.pop("token", None), Order(**said))
        return {}
    if request.path == "/reset":
        behaviour.reset()
        return more(request.path, said)
    if request.path == "/accepted":
        return behaviour.accepted[int(request.query.get("since", 0)) :]
    if request.path == "/counts":
        return dict(behaviour.counts)
    return more(request.path, said)
