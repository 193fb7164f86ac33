"""Takes out of the admin what other packages put there and writes rows; offers what concerns codes."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from accounts.staffacts import warrant
from imsite.core.desk.acts import Act, offer
from imsite.desk import codes

admin.site.unregister(TOTPDevice)
admin.site.unregister(Group)


def _reset(request: HttpRequest, user: User, given: Mapping[str, Any]) -> str:
    codes.reset_for(warrant(request, given["reason"]), user.pk)
    return "The codes are gone; the next login asks for none."


offer(
    "accounts.user",
    Act(
        name="reset_codes",
        title="Take away one-time codes",
        permission=codes.RESET,
        do=_reset,
        fits=lambda user: user.is_staff,
        note="For a phone that was lost. Be sure who asks.",
    ),
)
