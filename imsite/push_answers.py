"""What leaves the server under `data` about pushes, for the OpenAPI description only (as imsite.answers)."""

from typing import Annotated, Literal

from imsite.answers import Answer, Like, Seq, Time


class PushToken(Answer):
    """A device that can be woken; its token is never told."""

    device_id: Annotated[int, Like(examples=[12])]
    provider: Literal["fcm", "apns", "webpush"]
    app: Annotated[str | None, Like(examples=["com.example.chat"])]
    created_at: Time
    current: Annotated[bool, Like(examples=[True])]


class WebpushKey(Answer):
    """What a browser subscribes with."""

    key: Annotated[
        str,
        Like(description="`applicationServerKey`: a point on P-256 in base64url"),
        Like(
            examples=[
                "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM"
            ]
        ),
    ]


class QuietHours(Answer):
    """From when to when nobody is woken, every day; the end may be tomorrow's."""

    start: Annotated[str, Like(examples=["22:00"])]
    end: Annotated[str, Like(examples=["07:00"])]
    tz: Annotated[str, Like(description="IANA name", examples=["Europe/Zurich"])]


class PushSettings(Answer):
    """How one wants to be woken."""

    preview: Annotated[bool, Like(description="pushes may tell what was said", examples=[True])]
    quiet_hours: QuietHours | None


class Step(Answer):
    """What was decided once, about a range of entries that holds the one asked for."""

    outcome: Annotated[str, Like(examples=["failed"])]
    says: Annotated[str, Like(description="a sentence for a person")]
    detail: Annotated[str | None, Like(examples=["503 from the provider"])]
    at: Time
    from_seq: Seq
    to_seq: Annotated[int, Like(examples=[43])]


class DeviceWhy(Answer):
    """What became of an entry on one device, at last."""

    device_id: Annotated[int, Like(examples=[12])]
    platform: Annotated[str, Like(examples=["android"])]
    name: Annotated[str, Like(examples=["Ann's phone"])]
    current: bool
    provider: Literal["fcm", "apns", "webpush"] | None
    outcome: Annotated[str, Like(examples=["pushed"])]
    basis: Annotated[
        Literal["recorded", "present"],
        Like(description="`present`: concluded from how things stand now"),
    ]
    says: Annotated[str, Like(description="a sentence for a person")]
    detail: Annotated[str | None, Like(examples=[None])]
    at: Time | None
    collapsed_into: Annotated[
        int | None, Like(description="told of together with this later entry", examples=[43])
    ]
    next_at: Annotated[Time | None, Like(description="still owed: tried then", examples=[None])]
    steps: list[Step]


class Why(Answer):
    """What was decided about an entry for each of one's devices."""

    conversation_id: Annotated[int, Like(examples=[3])]
    seq: Seq
    devices: list[DeviceWhy]
