"""The receiver of a signed webhook, as an operator would write it."""

import base64
import hashlib
import hmac
import re
import time
from typing import Any

import orjson

from tests.standins import control, http1
from tests.standins.behaviour import Behaviour

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
TOLERANCE = 300


class Webhook:
    """The state of the stand-in."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()

    async def start(self) -> dict[str, Any]:
        """Serve; return where, and what to set to send here."""
        port = await http1.listen(self.answer)
        url = f"http://127.0.0.1:{port}"
        settings = {"IM_PUSH_WEBHOOK_URL": f"{url}/push", "IM_PUSH_WEBHOOK_SECRET": SECRET}
        steered = await control.listen(self.behaviour)
        return {"url": url, "control": steered, "settings": settings, "route": "webhook"}

    def answer(self, request: http1.Request) -> http1.Reply:
        """Answer a push: 401 if its signature or time is wrong."""
        if request.method != "POST" or request.path != "/push":
            return http1.Reply(404)
        if not genuine(request):
            self.behaviour.refuse("signature")
            return http1.Reply(401)
        said = orjson.loads(request.body)
        order = self.behaviour.next(said["token"])
        if not order.takes:
            headers = {} if order.retry_after is None else {"retry-after": order.retry_after}
            return http1.Reply(order.status, headers=headers, how=order.how)
        self.behaviour.accept(id=request.headers["webhook-id"], bytes=len(request.body), **said)
        return http1.Reply(204, b"", how=order.how)


def genuine(request: http1.Request) -> bool:
    """Say whether the sender knows the secret and sent it just now."""
    name, moment, given = (
        request.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature")
    )
    if not re.fullmatch(r"\d{1,11}", moment) or abs(time.time() - int(moment)) > TOLERANCE:
        return False
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    made = hmac.new(key, f"{name}.{moment}.".encode() + request.body, hashlib.sha256).digest()
    wanted = f"v1,{base64.b64encode(made).decode()}"
    return any(hmac.compare_digest(wanted, each) for each in given.split(" "))
