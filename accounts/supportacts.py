"""What support may do about a person from their page in the admin: devices, export, erasure."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse

from accounts import support
from accounts.models import User
from accounts.staffacts import plainly, warrant
from imsite.core.desk.acts import Act, offer

_ENDED = "The device ended. Its socket closes and its tokens are refused within seconds."
_ERASED = "The person is erased. What they wrote stays, as from a deleted user."


def _end_all(request: HttpRequest, user: User, given: Mapping[str, Any]) -> str:
    count = support.end_devices(warrant(request, given["reason"]), user.pk)
    return f"{count} devices ended. Sockets close and tokens are refused within seconds."


def _export(request: HttpRequest, user: User, given: Mapping[str, Any]) -> HttpResponse:
    found = support.export(warrant(request, given["reason"]), user.pk)
    answer = HttpResponse(orjson.dumps(found, option=orjson.OPT_INDENT_2), "application/json")
    answer["Content-Disposition"] = f'attachment; filename="person-{user.pk}.json"'
    return answer


def _stands(user: User) -> bool:
    return user.deleted_at is None


offer(
    "accounts.user",
    Act(name="end", title="End all devices", permission=support.END, do=_end_all, fits=_stands),
    Act(
        name="export",
        title="Export what is stored",
        permission=support.EXPORT,
        do=_export,
        fits=_stands,
        note="A file with everything that is kept of this person. Treat it as theirs.",
    ),
    Act(
        name="erase",
        title="Erase",
        permission=support.ERASE,
        do=plainly(support.erase, _ERASED),
        fits=_stands,
        grave=True,
        note="As if they had deleted the account themselves. It cannot be undone.",
    ),
)
offer(
    "accounts.device",
    Act(
        name="end",
        title="End this device",
        permission=support.END,
        do=plainly(support.end_device, _ENDED),
        fits=lambda device: device.ended_at is None,
    ),
)
