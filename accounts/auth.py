"""Who is calling: credentials of requests, turned into a Caller."""

from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework import request as rest
from rest_framework.authentication import BaseAuthentication

from accounts import tokens
from imsite.core import clock

if TYPE_CHECKING:

    class Request(HttpRequest):
        """A request of the API: its user is a Caller (doors that are not public see no None)."""

        user: tokens.Caller  # type: ignore[assignment]  # the stubs know Django's users only

else:
    Request = HttpRequest


class BearerAuthentication(BaseAuthentication):
    """Take `Authorization: Bearer ACCESS`; request.user is a Caller, or None without credentials."""

    def authenticate(self, request: rest.Request) -> tuple[tokens.Caller, str] | None:
        """Return the caller; raise TokenInvalid, TokenExpired or Banned for a token that is no good."""
        scheme, _, access = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return tokens.verify(access.strip(), now=clock.now()), access

    def authenticate_header(self, request: rest.Request) -> str:
        """Name the scheme."""
        return "Bearer"
