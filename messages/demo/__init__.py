"""The demo of a first start: real chat in a group, and two people who talk about it."""

from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import models, transaction

from accounts.models import User
from conversations import markers, opening
from imsite.core.errors import Conflict
from messages import drafts, importing, log

DEMO_LOGINS = (
    {"username": "alice", "password": "alice-demo-pass"},
    {"username": "bob", "password": "bob-demo-pass"},
)
TITLE = "#ubuntu (2011)"
EXCERPT = Path(__file__).with_name("ubuntu-excerpt.jsonl.gz")
_NAMESPACE = UUID("b7c3a0de-4f51-5c1c-8b59-5d7a2c8e4410")
# How much of the group each has not read.
_UNREAD = {"alice": 37, "bob": 120}
_TALK = (
    ("alice", "Did you see? The whole #ubuntu log is here, as it was on release day."),
    ("bob", "All of it? I stopped reading somewhere around “is it out yet”."),
    ("alice", "Search for narwhal. It is worth it."),
    ("bob", "Found it 😄 Swimming in the ocean, causing a commotion."),
    ("bob", "I have read nothing after that. How does it end?"),
)


class NotAlone(Conflict):
    """Other people have accounts here already."""


class NamesTaken(Conflict):
    """An account of the demo's name has another password."""


def load(*, now: datetime, among_others: bool = False) -> None:
    """Make the demo, all or nothing; what is there already stays as it is.

    Raise NotAlone if others can log in here, unless `among_others`.
    """
    with transaction.atomic():
        if not among_others and _others().exists():
            raise NotAlone
        people = {login["username"]: _person(now=now, **login) for login in DEMO_LOGINS}
        _fill_group(people, now=now)
        _talk(people["alice"], people["bob"], now=now)


def _others() -> models.QuerySet[User]:
    known = [login["username"] for login in DEMO_LOGINS]
    return User.objects.exclude(username__in=known).exclude(
        password__startswith=UNUSABLE_PASSWORD_PREFIX
    )


def _person(*, username: str, password: str, now: datetime) -> int:
    user = User.objects.filter(username_key=username).first()
    if user is None:
        name = username.capitalize()
        user = User.objects.create_user(username, password, display_name=name, created_at=now)
    elif not user.check_password(password):
        raise NamesTaken
    return user.pk


def _fill_group(people: dict[str, int], *, now: datetime) -> None:
    steps = importing.run(
        EXCERPT, title=TITLE, owner_name="alice", member_ids=list(people.values()), now=now
    )
    *_, done = steps
    if done.added:
        # What the server said when the group was made is an item as well.
        newest = 1 + done.added
        for name, count in _UNREAD.items():
            markers.move(people[name], done.conversation_id, seq=newest - count, force=False)


def _talk(alice: int, bob: int, *, now: datetime) -> None:
    began = now - timedelta(minutes=len(_TALK))
    conversation_id, _ = opening.direct(alice, peer_id=bob, now=began)
    ids = {"alice": alice, "bob": bob}
    said = [
        drafts.parse(
            conversation_id,
            ids[name],
            {"client_id": str(uuid5(_NAMESPACE, text)), "text": text},
        )
        for name, text in _TALK
    ]
    times = [began + timedelta(minutes=n) for n in range(len(said))]
    log.append_many(said, now=now, times=times)
