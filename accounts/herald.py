"""The herald: the bot in whose name the site itself speaks and acts, made when it is first needed."""

from datetime import datetime

from accounts.models import User

# Nobody can register it: `~` is no letter of a username.
NAME = "~system"
_SHOWN = "System"


def user_id(*, now: datetime) -> int:
    """Return the id of the herald; two who need it first at once make one."""
    found = User.objects.filter(username_key=NAME).values_list("pk", flat=True).first()
    return _make(now) if found is None else found


def _make(now: datetime) -> int:
    made = User(username=NAME, username_key=NAME, kind="bot", created_at=now)
    made.call(_SHOWN)
    # Nobody logs in as it.
    made.set_unusable_password()
    shown = ("username", "kind", "display_name", "display_key", "password", "created_at")
    defaults = {name: getattr(made, name) for name in shown}
    kept, _ = User.objects.get_or_create(username_key=NAME, defaults=defaults)
    return kept.pk
