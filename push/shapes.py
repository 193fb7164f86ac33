"""What requests about pushes may say."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from imsite.core.shapes import QueryInt, Shape
from push import quiet, tokens

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_APNS = re.compile(r"([0-9A-Fa-f]{2}){32,100}")
_HOST = re.compile(r"[A-Za-z0-9.\-:\[\]]+")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_POINT_BYTES = 65
_AUTH_BYTES = 16
_LONGEST_TOKEN = 4096
# It becomes a header of HTTP/2, where no space may stand at either end.
_APP = r"^([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?$"


def _decoded(text: str) -> bytes:
    """Return what base64url without padding stands for, b"" if this is not the one way to write it."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
    return raw if urlsafe_b64encode(raw).rstrip(b"=").decode() == text else b""


def _point(text: str) -> str:
    # Loaded with the first browser that subscribes: no other request, and no other role, needs it.
    from cryptography.hazmat.primitives.asymmetric import ec

    raw = _decoded(text)
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        raw = b""
    # Browsers give it uncompressed, and that is what the encryption goes on with.
    if len(raw) != _POINT_BYTES:
        raise ValueError("must be an uncompressed point on P-256, in base64url without padding")
    return text


def _secret(text: str) -> str:
    if len(_decoded(text)) != _AUTH_BYTES:
        raise ValueError(f"must be {_AUTH_BYTES} bytes, in base64url without padding")
    return text


def _https(url: str) -> str:
    try:
        parts = urlsplit(url) if _PRINTABLE.fullmatch(url) else None
        good = parts and parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not parts or not _HOST.fullmatch(parts.netloc) or "#" in url:
        raise ValueError("must be an https URL")
    return url


def _minutes(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError("must be a time as HH:MM, 00:00 to 23:59")
    return text


def _zone(name: str) -> str:
    if name not in quiet.zones():
        raise ValueError("must be a time zone by its IANA name, as Europe/Zurich")
    return name


class Keys(Shape):
    """What a browser wants its pushes encrypted with."""

    p256dh: Annotated[str, Field(max_length=100), AfterValidator(_point)]
    auth: Annotated[str, Field(max_length=100), AfterValidator(_secret)]


class Subscription(Shape):
    """What `PushSubscription.toJSON()` gives in a browser."""

    endpoint: Annotated[str, Field(max_length=2048), AfterValidator(_https)]
    expirationTime: Annotated[float, Field(ge=0)] | None = None  # the browser's own spelling
    keys: Keys


class Registration(Shape):
    """A token of FCM or APNs, or a subscription of Web Push."""

    provider: Literal["fcm", "apns", "webpush"]
    token: Annotated[str, Field(max_length=_LONGEST_TOKEN)] | None = Field(
        default=None, validate_default=True
    )
    subscription: Subscription | None = Field(default=None, validate_default=True)
    app: Annotated[str, Field(max_length=100, pattern=_APP)] | None = None

    @field_validator("token")
    @classmethod
    def _token_fits(cls, token: str | None, info: ValidationInfo) -> str | None:
        provider = info.data.get("provider")
        if provider == "webpush" and token is not None:
            raise ValueError("webpush takes a subscription instead")
        if provider == "fcm" and not (token and _PRINTABLE.fullmatch(token)):
            raise ValueError("must be printable ASCII without spaces")
        if provider == "apns" and not (token and _APNS.fullmatch(token)):
            raise ValueError("must be 64 to 200 hexadecimal digits")
        return token

    @field_validator("subscription")
    @classmethod
    def _subscription_fits(
        cls, subscription: Subscription | None, info: ValidationInfo
    ) -> Subscription | None:
        provider = info.data.get("provider")
        if provider in ("fcm", "apns") and subscription is not None:
            raise ValueError(f"{provider} takes a token instead")
        if provider == "webpush" and subscription is None:
            raise ValueError("is needed for webpush")
        return subscription

    def wanted(self) -> tokens.Wanted:
        """Return it as it is kept."""
        token = self.token or ""
        if self.subscription is not None:
            token = orjson.dumps(self.subscription.model_dump(exclude_none=True)).decode()
        return tokens.Wanted(provider=self.provider, token=token, app=self.app or "")


class QuietHours(Shape):
    """From when to when, every day, on which clock."""

    start: Annotated[str, AfterValidator(_minutes), Field(examples=["22:00"])]
    end: Annotated[str, AfterValidator(_minutes), Field(examples=["07:00"])]
    tz: Annotated[str, Field(max_length=64), AfterValidator(_zone)]

    def hours(self) -> quiet.Hours:
        """Return them as they are kept."""
        start, end = (int(text[:2]) * 60 + int(text[3:]) for text in (self.start, self.end))
        return quiet.Hours(start=start, end=end, tz=self.tz)


class Settings(Shape):
    """How one wants to be woken; quiet hours that are absent stay, null lifts them."""

    preview: bool
    quiet_hours: QuietHours | None = None


class Why(Shape):
    """An entry of a conversation."""

    conversation_id: QueryInt
    seq: QueryInt
