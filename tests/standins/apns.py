"""Apple's push service: HTTP/2 over TLS, provider tokens, and Apple's own words for what is wrong."""

import asyncio
import re
import time
import uuid
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.standins import control, tls
from tests.standins.behaviour import Behaviour, Order

KEY_ID, TEAM, TOPIC = "KEY1234567", "TEAM123456", "org.example.im"
REASONS = {
    400: "BadDeviceToken",
    403: "ExpiredProviderToken",
    410: "Unregistered",
    413: "PayloadTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}


class Apns:
    """The state of the stand-in."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._verified: dict[str, dict[str, Any]] = {}
        self._expired: set[str] = set()

    async def start(self) -> dict[str, Any]:
        """Serve; return where, and what to set to send here."""
        context, authority = tls.context("h2")
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self), "127.0.0.1", 0, ssl=context
        )
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        settings = {
            "IM_APNS_URL": url,
            "IM_APNS_KEY": pem.decode(),
            "IM_APNS_KEY_ID": KEY_ID,
            "IM_APNS_TEAM_ID": TEAM,
            "IM_APNS_TOPIC": TOPIC,
            "IM_PUSH_CA": authority,
        }
        steered = await control.listen(self.behaviour, self._steer)
        return {"url": url, "control": steered, "settings": settings, "route": "apns"}

    def _steer(self, path: str, said: dict[str, Any]) -> Any:
        if path == "/expire":
            self._expired.update(self._verified)
        return {}

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[Order, str]:
        """Return how to answer, and the apns-id; what breaks Apple's rules is told in its words."""
        name = headers.get("apns-id") or str(uuid.uuid4()).upper()
        if wrong := self._of_provider(headers) or _of_request(headers, body):
            self.behaviour.refuse(wrong)
            return Order(status=403 if "Provider" in wrong else 400, reason=wrong), name
        token = headers[":path"].removeprefix("/3/device/")
        order = self.behaviour.next(token)
        if order.takes:
            self._accept(token, headers, body)
        return order, name

    def _of_provider(self, headers: dict[str, str]) -> str:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return "MissingProviderToken"
        try:
            claims = self._verified.get(token) or self._verify(token)
        except (jwt.PyJWTError, AssertionError, KeyError):
            return "InvalidProviderToken"
        if token in self._expired or not -60 < time.time() - claims["iat"] < 3600:
            return "ExpiredProviderToken"
        return ""

    def _verify(self, token: str) -> dict[str, Any]:
        head = jwt.get_unverified_header(token)
        assert head["kid"] == KEY_ID and head["alg"] == "ES256"
        claims = jwt.decode(
            token,
            self._key.public_key(),
            algorithms=["ES256"],
            issuer=TEAM,
            options={"verify_iat": False},
        )
        assert isinstance(claims["iat"], int)
        self.behaviour.counts["provider tokens"] += 1
        self._verified[token] = claims
        return claims

    def _accept(self, token: str, headers: dict[str, str], body: bytes) -> None:
        said = orjson.loads(body)
        aps = said.pop("aps")
        alert = aps.get("alert", {})
        self.behaviour.accept(
            token=token,
            title=alert.get("title"),
            text=alert.get("body"),
            collapse=headers["apns-collapse-id"],
            type=headers["apns-push-type"],
            topic=headers["apns-topic"],
            expiration=int(headers["apns-expiration"]),
            shown_badge=aps.get("badge"),
            thread=aps.get("thread-id"),
            bytes=len(body),
            **{"clear": False, **said},
        )


def _of_request(headers: dict[str, str], body: bytes) -> str:
    if headers[":method"] != "POST":
        return "MethodNotAllowed"
    if not re.fullmatch(r"/3/device/[0-9a-fA-F]{8,200}", headers[":path"]):
        return "BadPath"
    if headers.get("apns-topic") is None:
        return "MissingTopic"
    if not headers["apns-topic"].startswith(TOPIC):
        return "TopicDisallowed"
    if not 1 <= len(headers.get("apns-collapse-id", "")) <= 64:
        return "BadCollapseId"
    if not re.fullmatch(r"\d+", headers.get("apns-expiration", "")):
        return "BadExpirationDate"
    kind, priority = headers.get("apns-push-type"), headers.get("apns-priority")
    if (kind, priority) not in (("alert", "10"), ("background", "5")):
        return "BadPriority"
    return _of_payload(kind, body)


def _of_payload(kind: str | None, body: bytes) -> str:
    if len(body) > 4096:
        return "PayloadTooLarge"
    try:
        aps = orjson.loads(body)["aps"]
    except (ValueError, KeyError, TypeError):
        return "PayloadEmpty"
    if kind == "background":
        return "" if aps == {"content-available": 1} else "BadMessage"
    known = set(aps) <= {"alert", "badge", "sound", "thread-id"}
    return "" if known and isinstance(aps.get("alert"), dict) and aps["alert"] else "BadMessage"


class _Connection(asyncio.Protocol):
    """One connection of a provider; many requests at once."""

    def __init__(self, apns: Apns) -> None:
        self._apns = apns
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        self._asked: dict[int, tuple[dict[str, str], bytearray]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._apns.behaviour.counts["connections"] += 1
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._h2.receive_data(data):
                self._take(event)
        except h2.exceptions.ProtocolError:
            self._apns.behaviour.refuse("HTTP/2")
            self._flush()
            self._transport.close()
        else:
            self._flush()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._asked[event.stream_id] = (dict(event.headers), bytearray())
        elif isinstance(event, h2.events.DataReceived):
            self._asked[event.stream_id][1].extend(event.data)
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self._asked.pop(event.stream_id, None)
            self._apns.behaviour.counts["given up"] += 1
        elif isinstance(event, h2.events.StreamEnded):
            headers, body = self._asked.pop(event.stream_id)
            order, name = self._apns.answer(headers, bytes(body))
            self._reply(event.stream_id, order, name)

    def _reply(self, stream: int, order: Order, name: str) -> None:
        if order.how == "leave":
            self._h2.close_connection()
            self._flush()
        if order.how in ("close", "leave"):
            self._transport.close()
        if order.how != "answer":
            return
        headers = [(":status", str(order.status)), ("apns-id", name)]
        if order.retry_after is not None:
            headers.append(("retry-after", order.retry_after))
        self._h2.send_headers(stream, headers, end_stream=order.status == 200)
        if order.status != 200:
            reason = order.reason or REASONS.get(order.status, "InternalServerError")
            said = {"reason": reason}
            if order.status == 410:
                said["timestamp"] = order.timestamp or int(time.time() * 1000)
            self._h2.send_data(stream, orjson.dumps(said), end_stream=True)

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())
