"""Firebase Cloud Messaging, HTTP v1, with the token endpoint that its service accounts use."""

import secrets
import time
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from tests.standins import control, http1
from tests.standins.behaviour import Behaviour, Order

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PROJECT, KEY_ID = "stand-in", "key-1"
EMAIL = "push@stand-in.iam.gserviceaccount.com"
# Status and code of FCM for what a stand-in may be told to answer.
CODES = {
    400: ("INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    401: ("UNAUTHENTICATED", None),
    403: ("PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
    404: ("NOT_FOUND", "UNREGISTERED"),
    429: ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
    500: ("INTERNAL", "INTERNAL"),
    503: ("UNAVAILABLE", "UNAVAILABLE"),
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Notification(_Strict):
    title: str = ""
    body: str = ""


class _Shown(_Strict):
    tag: str
    notification_count: Annotated[int, Field(ge=0, lt=2**31)]


class _Android(_Strict):
    collapse_key: str
    priority: Literal["NORMAL", "HIGH"]
    ttl: Annotated[str, StringConstraints(pattern=r"^\d{1,7}s$")]
    notification: _Shown | None = None


class _Message(_Strict):
    token: Annotated[str, StringConstraints(min_length=1)]
    data: dict[str, str]
    notification: _Notification | None = None
    android: _Android


class _Body(_Strict):
    message: _Message


class Fcm:
    """The state of the stand-in."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._bearers: dict[str, float] = {}
        self.lives = 3600
        self.url = ""

    async def start(self) -> dict[str, Any]:
        """Serve; return where, and what to set to send here."""
        port = await http1.listen(
            self.answer, opened=lambda: self.behaviour.counts.update(["connections"])
        )
        steered = await control.listen(self.behaviour, self._steer)
        self.url = f"http://127.0.0.1:{port}"
        account = orjson.dumps(self.account()).decode()
        settings = {"IM_FCM_URL": self.url, "IM_FCM_SERVICE_ACCOUNT": account}
        return {"url": self.url, "control": steered, "settings": settings, "route": "fcm"}

    def account(self) -> dict[str, str]:
        """Return the service account's file."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": KEY_ID,
            "private_key": pem.decode(),
            "client_email": EMAIL,
            "token_uri": f"{self.url}/token",
        }

    def answer(self, request: http1.Request) -> http1.Reply:
        """Answer a grant or a push."""
        if request.method == "POST" and request.path == "/token":
            return self._grant(request)
        if request.method != "POST" or request.path != f"/v1/projects/{PROJECT}/messages:send":
            return http1.Reply(404, b"not here")
        return self._send(request)

    def _steer(self, path: str, said: dict[str, Any]) -> Any:
        if path == "/expire":
            self._bearers.clear()
        if path in ("/lives", "/reset"):
            self.lives = said.get("seconds", 3600)
        return {}

    def _grant(self, request: http1.Request) -> http1.Reply:
        self.behaviour.counts["grants"] += 1
        order = self.behaviour.orders.get("oauth", Order())
        if order.how != "answer" or order.status != 200:
            return http1.Reply(order.status, how=order.how)
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        try:
            self._check_grant(form)
        except (jwt.PyJWTError, AssertionError, KeyError) as error:
            self.behaviour.refuse(f"grant {type(error).__name__}")
            return http1.Reply(400, b'{"error": "invalid_grant"}')
        bearer = secrets.token_urlsafe(24)
        self._bearers[bearer] = time.time() + self.lives
        said = {"access_token": bearer, "expires_in": self.lives, "token_type": "Bearer"}
        return http1.Reply(body=orjson.dumps(said), headers={"content-type": "application/json"})

    def _check_grant(self, form: dict[str, str]) -> None:
        assert form["grant_type"] == GRANT
        grant = form["assertion"]
        assert jwt.get_unverified_header(grant)["kid"] == KEY_ID
        claims = jwt.decode(
            grant,
            self._key.public_key(),
            algorithms=["RS256"],
            audience=f"{self.url}/token",
            issuer=EMAIL,
            options={"require": ["exp", "iat", "iss", "aud"]},
        )
        assert claims["scope"] == SCOPE
        assert claims["exp"] - claims["iat"] <= 3600

    def _send(self, request: http1.Request) -> http1.Reply:
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or self._bearers.get(bearer, 0) < time.time():
            self.behaviour.refuse("bearer")
            return _error(401)
        try:
            message = _check(request)
        except (ValidationError, AssertionError) as error:
            self.behaviour.refuse(type(error).__name__)
            return _error(400, field="message.android")
        order = self.behaviour.next(message.token)
        if not order.takes:
            found = _error(order.status, code=order.reason, retry_after=order.retry_after)
            found.how = order.how
            return found
        self._accept(message, len(request.body))
        name = f"projects/{PROJECT}/messages/{self.behaviour.counts['accepted']}"
        return http1.Reply(
            body=orjson.dumps({"name": name}),
            headers={"content-type": "application/json"},
            how=order.how,
        )

    def _accept(self, message: _Message, size: int) -> None:
        shown = message.notification
        self.behaviour.accept(
            token=message.token,
            conversation_id=int(message.data["conversation_id"]),
            seq=int(message.data["seq"]),
            badge=int(message.data["badge"]),
            title=shown.title if shown else None,
            text=shown.body if shown else None,
            clear=message.data.get("clear") == "true",
            collapse=message.android.collapse_key,
            ttl=int(message.android.ttl[:-1]),
            bytes=size,
        )


def _check(request: http1.Request) -> _Message:
    assert request.headers.get("content-type", "").startswith("application/json")
    assert len(request.body) <= 4096
    message = _Body.model_validate_json(request.body).message
    keys = set(message.data)
    assert keys - {"clear"} == {"conversation_id", "seq", "badge"}
    assert ("clear" in keys) == (message.notification is None)
    assert message.android.collapse_key == message.data["conversation_id"]
    return message


def _error(
    status: int, *, code: str = "", field: str = "message.token", retry_after: str | None = None
) -> http1.Reply:
    canonical, known = CODES.get(status, ("INTERNAL", None))
    details: list[dict[str, Any]] = []
    if code or known:
        details.append(
            {
                "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                "errorCode": code or known,
            }
        )
    if status == 400:
        violation = {"field": field, "description": "Invalid"}
        details.append(
            {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
        )
    said = {"code": status, "message": "Refused.", "status": canonical, "details": details}
    headers = {"content-type": "application/json"}
    if retry_after is not None:
        headers["retry-after"] = retry_after
    return http1.Reply(status, orjson.dumps({"error": said}), headers)
