"""Staff at the admin, and every address that the admin has."""

import itertools
import re
import uuid
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver

from accounts import audit
from accounts.models import AuditEntry, User
from imsite.core import clock
from messages.moderation import cases, orders
from messages.policy import rules
from push import decisions
from tests.cast import Person, Talk, talk_of
from tests.rules import ruled
from tests.staff import warrant

_numbers = itertools.count(1)
_RUN = uuid.uuid4().hex[:6]
STAFF_PASSWORD = "correct horse battery"


def new_staff(*groups: str, superuser: bool = False, password: str | None = None) -> User:
    """Make a member of staff in these groups."""
    user = User.objects.create_user(
        f"staff_{_RUN}_{next(_numbers)}", password, is_staff=True, is_superuser=superuser
    )
    user.groups.set([Group.objects.get(name=name) for name in groups])
    return user


def browser(user: User | None = None) -> Client:
    """Return a client, logged in as this user; errors of the server are answers."""
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    return client


def note(target: str = "user:1", **more: Any) -> Any:
    """Put something on record."""
    given = {
        "actor_id": None,
        "act": "user.ban",
        "reason": "because",
        "before": None,
        "after": None,
    }
    with transaction.atomic():
        return audit.record(**{**given, **more}, target=target, address="::1", now=clock.now())


def world(text: str = "hello", said: str = "hello") -> dict[str, Any]:
    """Make at least one row of all that the admin shows, through the API, with `text` in all texts."""
    alice, bob = Person.new("alice"), Person.new("bob")
    talk = talk_of(alice, bob)
    for who in (alice, bob):
        who.post("accounts/me", {"display_name": text[:100], "bio": text[:500]})
    alice.post(f"{talk.path}/update", {"title": text[:200], "announcement": text[:1000]})
    alice.post(f"{talk.path}/settings", {"nickname": text[:100]})
    seq = talk.say(alice, said)["seq"]
    bob.post(f"{talk.path}/messages/{seq}/report", {"reason": text[:100], "note": text[:500]})
    orders.recall_one(warrant(reason=text[:500]), talk.id, talk.say(bob, said)["seq"])
    _rules(talk, bob, text, said)
    _flagged(talk, alice, bob, text, said)
    alice.post("accounts/blocks/add", {"user_id": bob.id})
    token = {"provider": "fcm", "token": uuid.uuid4().hex, "app": "app"}
    alice.post("push/tokens", token)
    alice.post("push/settings", {"preview": False})
    decided = {"device_id": alice.device_id, "user_id": alice.id, "conversation_id": talk.id}
    decided |= {"from_seq": seq, "to_seq": seq, "outcome": "failed", "detail": text[:200]}
    decisions.note([decisions.Decided(**decided)], now=clock.now())
    note(f"user:{alice.id}", reason=text[:500], before={"text": text}, after={text[:50]: text})
    return {"alice": alice, "bob": bob, "talk": talk, "seq": seq}


def _rules(talk: Talk, who: Person, text: str, said: str) -> None:
    """Make a rule of this text, switched off, and a message that one held."""
    place = {"scope": "conversation", "conversation_id": talk.id, "kind": "regex"}
    rule = {"name": text[:100], "told": text[:200], "action": "hold", "patterns": "."}
    rules.save(warrant(reason=text[:500]), None, {**place, **rule})
    with ruled({**place, **rule}):
        message = {"client_id": str(uuid.uuid4()), "text": said}
        who.refused("POST", f"{talk.path}/messages", message)


def _flagged(talk: Talk, who: Person, reporter: Person, text: str, said: str) -> None:
    """Make a case of a message that a rule flagged and another masked, and that somebody reported too."""
    place = {"scope": "conversation", "conversation_id": talk.id, "kind": "regex", "patterns": "."}
    with ruled(*({**place, "name": text[:100], "action": each} for each in ("flag", "mask"))):
        seq = talk.say(who, said)["seq"]
    cases.adopt(now=clock.now())
    report = {"reason": text[:100], "note": text[:500]}
    reporter.post(f"{talk.path}/messages/{seq}/report", report)


def addresses() -> Iterator[tuple[str, str, Any]]:
    """Yield (name, path with a real row in it, model or None) of every pattern of the admin."""
    for prefix, pattern in _patterns(admin.site.get_urls(), ""):
        model = _model_of(pattern)
        yield pattern.name or prefix, f"/admin/{_filled(prefix, model)}", model


def _patterns(patterns: list[Any], prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for each in patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _patterns(each.url_patterns, route)
        else:
            yield route, each


def _model_of(pattern: URLPattern) -> Any:
    for model in admin.site._registry:
        label = f"{model._meta.app_label}_{model._meta.model_name}_"
        if (pattern.name or "").startswith(label):
            return model
    return None


_GIVEN = {"content_type_id": "1", "object_id": "1", "url": "nothing/here", "app_label": "accounts"}


def _filled(route: str, model: Any) -> str:
    if route.startswith("^"):
        return (
            re.sub(r"\(\?P<app_label>[^)]*\)", "accounts", route)
            .strip("^$")
            .replace("(?P<url>.*)", "x")
        )

    def value(found: re.Match[str]) -> str:
        name = found[1].rpartition(":")[2]
        if model is not None and found[1] == "path:object_id":
            row = model._default_manager.order_by("-pk").first()
            assert row is not None, f"world() makes no {model.__name__}"
            return str(row.pk)
        return _GIVEN.get(name, "1")

    return re.sub(r"<([^>]+)>", value, route)


def last_act(target: str) -> AuditEntry:
    """Return the newest record about this target."""
    found = AuditEntry.objects.filter(target=target).order_by("-number").first()
    assert found is not None
    return found
