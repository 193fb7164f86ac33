"""What leaves the server under `data` about pushes, for the OpenAPI description only (as imsite.answers)."""

from typing import Annotated, Literal

from imsite.answers import Answer, Like, Time


class PushToken(Answer):
    """A device that can be woken; its token is never told."""

    device_id: Annotated[int, Like(examples=[12])]
    provider: Literal["fcm", "apns", "webpush"]
    app: Annotated[str | None, Like(examples=["com.example.chat"])]
    created_at: Time
    current: Annotated[bool, Like(examples=[True])]


class QuietHours(Answer):
    """From when to when nobody is woken, every day; the end may be tomorrow's."""

    start: Annotated[str, Like(examples=["22:00"])]
    end: Annotated[str, Like(examples=["07:00"])]
    tz: Annotated[str, Like(description="IANA name", examples=["Europe/Zurich"])]


class PushSettings(Answer):
    """How one wants to be woken."""

    preview: Annotated[bool, Like(description="pushes may tell what was said", examples=[True])]
    quiet_hours: QuietHours | None
