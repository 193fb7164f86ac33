"""A push service of browsers: keeps subscriptions, checks VAPID, decrypts as the browser would."""

import base64
import os
import re
import secrets
import time
from typing import Any

import http_ece
import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.standins import control, http1, tls
from tests.standins.behaviour import Behaviour

DAY = 86_400


class WebPush:
    """The state of the stand-in."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self._keys: dict[str, tuple[ec.EllipticCurvePrivateKey, bytes]] = {}
        self._verified: dict[str, dict[str, Any]] = {}
        self.url = ""

    async def start(self) -> dict[str, Any]:
        """Serve; return where, and what to set to send here."""
        context, authority = tls.context("http/1.1")
        port = await http1.listen(
            self.answer,
            tls=context,
            opened=lambda: self.behaviour.counts.update(["connections"]),
        )
        self.url = f"https://localhost:{port}"
        settings = {
            "IM_VAPID_SUBJECT": "mailto:push@example.org",
            "IM_WEBPUSH_PRIVATE": "on",
            "IM_PUSH_CA": authority,
        }
        steered = await control.listen(self.behaviour, self._steer)
        return {"url": self.url, "control": steered, "settings": settings, "route": "webpush"}

    def _steer(self, path: str, said: dict[str, Any]) -> Any:
        return [self.subscribe(name) for name in said.get("names", [])]

    def subscribe(self, name: str) -> dict[str, Any]:
        """Return what a browser hands to the application."""
        key, auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
        self._keys[name] = (key, auth)
        point = key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        keys = {"p256dh": _encoded(point), "auth": _encoded(auth)}
        return {"endpoint": f"{self.url}/push/{name}", "expirationTime": None, "keys": keys}

    def answer(self, request: http1.Request) -> http1.Reply:
        """Answer a push as RFC 8030 wants it."""
        name = request.path.removeprefix("/push/")
        if request.method != "POST" or name not in self._keys:
            return http1.Reply(404)
        try:
            self._check(request)
            said = self._decrypted(name, request.body)
        except (AssertionError, KeyError, ValueError, jwt.PyJWTError, http_ece.ECEException) as no:
            self.behaviour.refuse(type(no).__name__)
            return http1.Reply(403 if isinstance(no, jwt.PyJWTError) else 400)
        order = self.behaviour.next(name)
        if not order.takes:
            headers = {} if order.retry_after is None else {"retry-after": order.retry_after}
            return http1.Reply(order.status, b"", headers, how=order.how)
        self._accept(name, request, said)
        return http1.Reply(
            201, b"", {"location": f"{self.url}/m/{secrets.token_hex(8)}"}, how=order.how
        )

    def _check(self, request: http1.Request) -> None:
        headers = request.headers
        assert headers["content-encoding"] == "aes128gcm" and len(request.body) <= 4096
        assert re.fullmatch(r"\d+", headers["ttl"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers["topic"])
        assert headers["urgency"] in ("very-low", "low", "normal", "high")
        given = re.fullmatch(r"vapid t=([^,]+), ?k=([A-Za-z0-9_-]+)", headers["authorization"])
        assert given
        claims = self._verified.get(given[0]) or self._verify(given)
        assert time.time() < claims["exp"] <= time.time() + DAY
        assert claims["aud"] == self.url and claims["sub"].startswith(("mailto:", "https:"))

    def _verify(self, given: re.Match[str]) -> dict[str, Any]:
        raw = base64.urlsafe_b64decode(given[2] + "=" * (-len(given[2]) % 4))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
        found = jwt.decode(given[1], key, algorithms=["ES256"], audience=self.url)
        self.behaviour.counts["signatures"] += 1
        self._verified[given[0]] = found
        return found

    def _decrypted(self, name: str, body: bytes) -> dict[str, Any]:
        key, auth = self._keys[name]
        return orjson.loads(
            http_ece.decrypt(body, private_key=key, auth_secret=auth, version="aes128gcm")
        )

    def _accept(self, name: str, request: http1.Request, said: dict[str, Any]) -> None:
        headers = request.headers
        self.behaviour.accept(
            token=name,
            collapse=headers["topic"],
            ttl=int(headers["ttl"]),
            urgency=headers["urgency"],
            key=headers["authorization"].rpartition("k=")[2],
            bytes=len(request.body),
            **{"clear": False, **said},
        )


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
