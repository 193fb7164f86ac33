"""The four groups of staff and what each may do: this table is all there is, a migration applies it.

Permissions that an app does not have yet are left out until it has them; what is not in the table is
taken from the groups. Who needs another mix makes a group of another name.
"""

from typing import Any

from django.contrib.auth.models import Group, Permission

_SEE_PEOPLE = {
    "accounts.view_user",
    "accounts.view_block",
    "conversations.view_conversation",
    "conversations.view_membership",
}
_SEE_LOG = {"messagelog.view_entry", "messagelog.view_report", "messagelog.view_case"}
_MODERATE = (
    _SEE_PEOPLE
    | _SEE_LOG
    | {
        "messagelog.handle_reports",
        "messagelog.recall_entries",
        "messagelog.view_policyrule",
        "messagelog.view_held",
        "messagelog.decide_held",
        "conversations.mute_member",
        "accounts.ban_user",
    }
)
ROLES: dict[str, set[str]] = {
    "Moderator": _MODERATE,
    "Senior moderator": _MODERATE
    | {
        "accounts.view_auditentry",
        "messagelog.recall_many",
        "messagelog.write_rules",
        "conversations.freeze_conversation",
        "conversations.dissolve_conversation",
        "conversations.hand_over_conversation",
    },
    "Support": _SEE_PEOPLE
    | {
        "accounts.view_device",
        "push.view_pushtoken",
        "push.view_pushsettings",
        "push.view_decision",
        "desk.end_devices",
        "desk.export_person",
        "desk.erase_person",
        "desk.explain_badge",
    },
    "Operator": {
        # Whose codes they take away.
        "accounts.view_user",
        "accounts.view_device",
        "accounts.view_auditentry",
        "accounts.export_auditentry",
        "push.view_pushtoken",
        "push.view_decision",
        "desk.reset_codes",
    },
}


def settle(**_: Any) -> None:
    """Make the groups, and give each exactly what the table says."""
    known = {
        f"{each.content_type.app_label}.{each.codename}": each
        for each in Permission.objects.select_related("content_type")
    }
    for name, wanted in ROLES.items():
        group, _made = Group.objects.get_or_create(name=name)
        group.permissions.set([known[each] for each in wanted if each in known])
