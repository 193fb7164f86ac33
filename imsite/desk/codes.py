"""One-time codes of staff: who has them, whether this session has shown one, setting them up."""

from datetime import datetime
from typing import Any

import django_otp
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django_otp.plugins.otp_totp.models import TOTPDevice, default_key

from accounts import audit
from accounts.authority import Untouchable, Warrant
from accounts.models import User
from imsite.core import clock, limits
from imsite.core.errors import InvalidRequest

RESET = "desk.reset_codes"
# Where a session keeps the secret until a first code proves that a phone has it.
_KEY = "codes_key"


def device_of(user_id: int) -> Any:
    """Return what makes this person's codes, or None."""
    return TOTPDevice.objects.filter(user_id=user_id, confirmed=True).first()


def check(user: Any, code: str) -> bool:
    """Say whether this login shows what it must; a good code marks the session that is being made."""
    device = device_of(user.pk)
    if device is None:
        return True
    user.otp_device = django_otp.verify_token(user, device.persistent_id, code.strip())
    return user.otp_device is not None


def satisfied(request: HttpRequest) -> bool:
    """Say whether this session has shown a code, or its owner has none and needs none."""
    user: Any = request.user
    if user.is_verified():
        return True
    return not settings.IM_ADMIN_OTP and device_of(user.pk) is None


def is_half_way(request: HttpRequest) -> bool:
    """Say whether only the codes are missing, because this member of staff never set them up."""
    user: Any = request.user
    if not (user.is_active and user.is_staff and settings.IM_ADMIN_OTP):
        return False
    return may_enrol(request) and not user.is_verified()


def may_enrol(request: HttpRequest) -> bool:
    """Say whether new codes may be set up: by whoever has none yet, or has shown the old ones."""
    user: Any = request.user
    return user.is_verified() or device_of(user.pk) is None


def to_enrolment(request: HttpRequest) -> HttpResponse:
    """Send somebody on to set up codes."""
    return HttpResponseRedirect(reverse("admin:codes"))


def page(request: HttpRequest, site: Any) -> HttpResponse:
    """Show the secret to take up, or set it up if the code that came with it is right."""
    key = request.session.setdefault(_KEY, default_key())
    device = TOTPDevice(user_id=request.user.pk, user=request.user, key=key, name="phone")
    wrong = False
    if request.method == "POST":
        limits.hit("login", f"u{request.user.pk}")
        try:
            enrol(
                device, request.POST.get("code", ""), limits.address(request.META), now=clock.now()
            )
        except InvalidRequest:
            wrong = True
        else:
            del request.session[_KEY]
            django_otp.login(request, device)
            return HttpResponseRedirect(reverse("admin:index"))
    context = {**site.each_context(request), "title": "One-time codes", "wrong": wrong}
    context |= {"picture": _picture(device.config_url), "secret": _secret(device)}
    return render(request, "desk/codes.html", context)


def enrol(device: TOTPDevice, code: str, address: str, *, now: datetime) -> None:
    """Make these the codes of their owner, in place of older ones; InvalidRequest for a wrong code."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user_id=device.user_id).delete()
        device.confirmed = True
        device.save()
        if not device.verify_token(code.strip()):
            raise InvalidRequest.field("code", "is not the one expected")
        _recorded("staff.enrol", device.user_id, device.user_id, "by themselves", address, now=now)


def reset_for(warrant: Warrant, user_id: int) -> None:
    """Take somebody's codes away on behalf of staff; a superuser's only for another superuser."""
    warrant.require(RESET)
    spared = User.objects.filter(pk=user_id, is_superuser=True).exists()
    actor = User.objects.get(pk=warrant.actor_id)
    if user_id == actor.pk or (spared and not actor.is_superuser):
        raise Untouchable
    reset(warrant.actor_id, user_id, warrant.reason, warrant.address, now=warrant.now)


def reset(actor_id: int | None, user_id: int, reason: str, address: str, *, now: datetime) -> None:
    """Take somebody's codes away, for a phone that was lost."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user_id=user_id).delete()
        _recorded("staff.reset_codes", actor_id, user_id, reason, address, now=now)


def _recorded(
    act: str, actor_id: int | None, user_id: int, reason: str, address: str, *, now: datetime
) -> None:
    audit.record(
        actor_id=actor_id,
        act=act,
        target=f"user:{user_id}",
        reason=reason,
        before=None,
        after=None,
        address=address,
        now=now,
    )


def _secret(device: TOTPDevice) -> str:
    """Return the secret as one types it: in fours."""
    text = device.config_url.partition("secret=")[2].partition("&")[0]
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _picture(url: str) -> SafeString:
    # Loaded for the few who set up codes: it takes 0.2 s of CPU, and every process loads the admin.
    import qrcode
    from qrcode.image.svg import SvgPathImage

    drawn = qrcode.make(url, image_factory=SvgPathImage, box_size=12)
    # Drawn by us from a name of letters and digits and a secret of ours.
    return format_html("{}", mark_safe(drawn.to_string(encoding="unicode")))
