"""The registry of error codes (append-only: the table of the API contract) and their base class."""

from enum import Enum
from typing import Any


class Code(Enum):
    """One stable error; its HTTP status is the number without its last two digits."""

    INVALID_REQUEST = 40000
    INVALID_CURSOR = 40001
    NOT_AUTHENTICATED = 40100
    TOKEN_INVALID = 40101
    TOKEN_EXPIRED = 40102
    BAD_CREDENTIALS = 40103
    FORBIDDEN = 40300
    MUTED = 40301
    BANNED = 40302
    BLOCKED = 40303
    REJECTED_BY_POLICY = 40304
    NOT_FOUND = 40400
    METHOD_NOT_ALLOWED = 40500
    CONFLICT = 40900
    CLIENT_ID_CONFLICT = 40901
    TOO_LATE = 40902
    EXPIRED = 41000
    TOO_LARGE = 41300
    UNSUPPORTED_MEDIA_TYPE = 41500
    RATE_LIMITED = 42900
    INTERNAL = 50000
    UNAVAILABLE = 50300

    @property
    def status(self) -> int:
        """The HTTP status of this code."""
        return int(self.value) // 100

    @property
    def slug(self) -> str:
        """The stable name that clients switch on."""
        return self.name.lower()


class AppError(Exception):
    """Something went wrong."""

    code = Code.INTERNAL

    def __init__(
        self,
        message: str | None = None,
        *,
        data: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        # The first line of the class docstring is the sentence for a person.
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.data = data
        self.retry_after = retry_after
        super().__init__(self.message)


class InvalidRequest(AppError):
    """The request is not valid."""

    code = Code.INVALID_REQUEST

    @classmethod
    def field(cls, name: str, problem: str) -> "InvalidRequest":
        """Return the error for one field."""
        return cls(data={"fields": {name: [problem]}})


class NotFound(AppError):
    """This does not exist, or is not yours to see."""

    code = Code.NOT_FOUND


class Forbidden(AppError):
    """Your role may not do this."""

    code = Code.FORBIDDEN


class Conflict(AppError):
    """This does not fit the present state."""

    code = Code.CONFLICT


class Unavailable(AppError):
    """The server cannot do this right now; try again soon."""

    code = Code.UNAVAILABLE
