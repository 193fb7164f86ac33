"""Who may open which page of the admin: every one that is registered, for every kind of person.

A list, page or act that is new is in `addresses()` by itself, and fails here until the table below
says who may see it.
"""

import pytest

from imsite.desk import roles
from tests import desk
from tests.cast import Person

pytestmark = pytest.mark.usefixtures("short_lists")
# Pages of the site itself: what whoever is in sees (None: it is for POST, or for scripts).
SITE = {
    "index": 200,
    "codes": 200,
    "password_change": 200,
    "password_change_done": 200,
    "jsi18n": 200,
    "logout": 405,
    "autocomplete": 403,
    "view_on_site": 404,
    "app_list": None,
    "login": 302,
}
_PEOPLE = {"user", "block", "conversation", "membership"}
_REPORTS = {"entry", "case", "recallorder", "policyrule", "held"}
# Whose lists and pages each group sees.
TABLE = {
    "Moderator": _PEOPLE | _REPORTS,
    "Senior moderator": _PEOPLE | _REPORTS | {"auditentry"},
    "Support": _PEOPLE | {"device", "pushtoken", "pushsettings", "decision"},
    "Operator": {"user", "device", "auditentry", "pushtoken", "decision"},
}
# What can be opened beside a list and a page: the groups that may.
_SUPPORT = {"Support"}
_MODERATORS, _SENIORS = {"Moderator", "Senior moderator"}, {"Senior moderator"}
ACTS: dict[str, set[str]] = {
    "accounts_user_ban": _MODERATORS,
    "accounts_user_end": _SUPPORT,
    "accounts_user_export": _SUPPORT,
    "accounts_user_erase": _SUPPORT,
    "accounts_user_badge": _SUPPORT,
    "accounts_user_reset_codes": {"Operator"},
    "accounts_device_end": _SUPPORT,
    "push_pushtoken_forget": _SUPPORT,
    "accounts_auditentry_export": {"Operator"},
    "accounts_user_unban": _MODERATORS,
    "accounts_user_warn": _MODERATORS,
    "conversations_conversation_freeze": _SENIORS,
    "conversations_conversation_thaw": _SENIORS,
    "conversations_conversation_dissolve": _SENIORS,
    "conversations_membership_mute": _MODERATORS,
    "conversations_membership_unmute": _MODERATORS,
    "conversations_membership_hand_over": _SENIORS,
    "messagelog_case_work": _MODERATORS,
    "messagelog_entry_recall": _MODERATORS,
    "messagelog_held_refuse": _MODERATORS,
    "messagelog_held_release": _MODERATORS,
    "messagelog_policyrule_disable": _SENIORS,
    "messagelog_policyrule_enable": _SENIORS,
    "messagelog_policyrule_new": _SENIORS,
    "messagelog_policyrule_remove": _SENIORS,
    "messagelog_policyrule_write": _SENIORS,
    "messagelog_recallorder_new": _SENIORS,
    "messagelog_recallorder_undo": _MODERATORS,
}


@pytest.fixture(scope="module")
def pages(database):
    desk.world()
    return list(desk.addresses())


def opened(client, path: str) -> int:
    return client.get(path).status_code


def test_the_groups_are_those_of_the_table(database):
    assert set(TABLE) == set(roles.ROLES)


def test_strangers_and_users_are_sent_to_the_door(pages):
    user = desk.User.objects.get(pk=Person.new().id)
    for client in (desk.browser(), desk.browser(user)):
        for name, path, _ in pages:
            answer = client.get(path)
            if name == "login":
                assert answer.status_code == 200
            elif name != "logout":
                assert answer.status_code == 302, path
                assert answer["Location"].startswith("/admin/login/?next="), path


def test_staff_in_no_group_see_the_site_and_no_row(pages):
    client = desk.browser(desk.new_staff())
    for name, path, model in pages:
        if model is not None:
            assert opened(client, path) == 403, path
        elif name.endswith("/<path:object_id>/"):
            assert opened(client, path) == 302, path  # to the page, which refuses
        elif SITE.get(name, 404) is not None:
            assert opened(client, path) == SITE.get(name, 404), path


@pytest.mark.parametrize("group", sorted(TABLE))
def test_each_group_sees_its_part(pages, group):
    client = desk.browser(desk.new_staff(group))
    for name, path, model in pages:
        if model is None:
            continue
        seen, expected = opened(client, path), _expected(name, model._meta.model_name, group)
        assert seen in expected, f"{group} {path}: {seen}"


def _expected(name: str, model: str, group: str) -> set[int]:
    kind = name.rpartition("_")[2]
    if name in ACTS:
        return {200} if group in ACTS[name] else {403}
    assert kind in {"changelist", "change", "history", "add", "delete"}, f"{name} is in no table"
    if kind in {"add", "delete"}:
        return {403}
    if model not in TABLE[group]:
        return {403}
    # A history is that of the audit log; what nobody acts on has none.
    return {200} if kind != "history" else {302, 404}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_nobody_writes_a_row(pages, name):
    client = desk.browser(desk.new_staff(name))
    for _, path, model in pages:
        if model is not None and path.endswith(("/change/", "/add/", "/delete/")):
            assert client.post(path, {"post": "yes"}).status_code == 403, path


def test_not_even_a_superuser_writes_a_row_of_what_is_only_shown(pages):
    client = desk.browser(desk.new_staff(superuser=True))
    for label in ("accounts/user", "accounts/auditentry", "messagelog/entry", "accounts/device"):
        for _, path, _ in pages:
            if label in path and path.endswith(("/change/", "/add/", "/delete/")):
                assert client.post(path, {"post": "yes"}).status_code == 403, path


def test_no_token_opens_the_admin(pages):
    alice = Person.new()
    desk.User.objects.filter(pk=alice.id).update(is_staff=True, is_superuser=True)
    client = desk.browser()
    for _, path, _ in pages:
        answer = client.get(path, headers={"Authorization": f"Bearer {alice.access}"})
        assert answer.status_code in (302, 405) or path == "/admin/login/"
