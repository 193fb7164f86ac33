"""Staff of all sorts, and the warrants under which they act."""

import itertools
import uuid

from django.contrib.auth.models import Permission
from django.db.models import Q

from accounts.authority import Warrant
from accounts.models import User
from imsite.core import clock

_numbers = itertools.count(1)
_RUN = uuid.uuid4().hex[:6]
ALL = (
    "accounts.ban_user",
    "conversations.dissolve_conversation",
    "conversations.freeze_conversation",
    "conversations.hand_over_conversation",
    "conversations.mute_member",
    "messagelog.decide_held",
    "messagelog.handle_reports",
    "messagelog.recall_entries",
    "messagelog.recall_many",
    "messagelog.write_rules",
)


def member_of_staff(*permissions: str, superuser: bool = False) -> User:
    """Return somebody of staff with these permissions and no others, and no password."""
    name = f"staff_{_RUN}_{next(_numbers)}"
    user = User.objects.create_user(name, is_staff=True, is_superuser=superuser)
    wanted = Q(pk=None)
    for name in permissions:
        app, codename = name.split(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    found = list(Permission.objects.filter(wanted))
    assert len(found) == len(permissions), permissions
    user.user_permissions.set(found)
    return user


def warrant(
    *permissions: str, actor: User | None = None, reason: str = "spam", superuser: bool = False
) -> Warrant:
    """Return the warrant of somebody who may do all, or only what these permissions allow."""
    actor = actor or member_of_staff(*(permissions or ALL), superuser=superuser)
    return Warrant(actor_id=actor.pk, reason=reason, address="192.0.2.7", now=clock.now())
