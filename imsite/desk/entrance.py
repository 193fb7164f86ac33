"""The door: name, password and one-time code, limited like logins of the API; and the own password."""

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest
from django.urls import reverse

from accounts import callers, identity
from imsite.core import clock, limits
from imsite.desk import codes


class LoginForm(AdminAuthenticationForm):
    """Name, password, and the code of whoever has set one up."""

    code = forms.CharField(
        label="One-time code",
        required=False,
        max_length=10,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def clean(self) -> dict[str, Any]:
        """Check all three; raise RateLimited before anything is looked up."""
        limits.hit("login", limits.address(self.request.META if self.request else {}))
        limits.hit("login", identity.name_key(self.cleaned_data.get("username") or ""))
        return super().clean()

    def confirm_login_allowed(self, user: Any) -> None:
        """Refuse whoever is not staff, and a wrong code, in the words of a wrong password."""
        super().confirm_login_allowed(user)
        if not codes.check(user, self.cleaned_data.get("code", "")):
            raise self.get_invalid_login_error()


class OwnPassword(PasswordChangeForm):
    """The own password, changed where the API changes it."""

    required_css_class = "required"

    def save(self, commit: bool = True) -> Any:
        """Change it and end all devices; raise what the domain refuses."""
        caller = callers.Caller(user_id=self.user.pk, device_id=0, epoch=0)
        old, new = self.cleaned_data["old_password"], self.cleaned_data["new_password1"]
        identity.change_password(caller, old=old, new=new, now=clock.now())
        self.user.refresh_from_db()
        return self.user


def change_password(request: HttpRequest, site: Any) -> Any:
    """Show the form, or change the password and keep this session."""
    limits.hit("login", f"u{request.user.pk}")
    view = PasswordChangeView.as_view(
        form_class=OwnPassword,
        success_url=reverse("admin:password_change_done"),
        extra_context=site.each_context(request),
    )
    return view(request)
