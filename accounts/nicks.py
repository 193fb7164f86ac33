"""People known only by a nick from elsewhere: users as whom nobody can log in, made in bulk."""

from collections.abc import Collection, Iterable
from datetime import datetime
from hashlib import blake2b
from itertools import islice

import regex
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.db import transaction

from accounts import names
from accounts.models import User

_PREFIX = "irc-"
_FOREIGN = regex.compile(r"[^\p{L}\p{Nd}_\-]")
_LONGEST_BASE = 19
# How many names one query asks for: databases bound its parameters.
_AT_ONCE = 10_000


def ids(nicks: Iterable[str], *, now: datetime) -> dict[str, int]:
    """Return the user of each nick, told apart exactly as spelt; those missing are made.

    A nick comes to the same user every time: names depend on the nick, and on who else holds them.
    """
    found: dict[str, int] = {}
    pending, attempt = list(dict.fromkeys(nicks)), 0
    with transaction.atomic():
        while pending:
            wanted = {nick: _username(nick, attempt) for nick in pending}
            found |= _settle(wanted, now=now)
            pending = [nick for nick in pending if nick not in found]
            attempt += 1
    return found


def _settle(wanted: dict[str, str], *, now: datetime) -> dict[str, int]:
    """Return the users of those nicks whose name is theirs or free."""
    keys = {nick: names.key(username) for nick, username in wanted.items()}
    held = _held(keys.values())
    found: dict[str, int] = {}
    fresh: dict[str, User] = {}
    for nick, key in keys.items():
        user = held.get(key)
        if user is None and key not in fresh:
            fresh[key] = _user(nick, wanted[nick], now=now)
        elif user is not None and _is_of(user, nick):
            found[nick] = user.pk
    for made in User.objects.bulk_create(fresh.values()):
        found[made.display_name] = made.pk
    return found


def _held(keys: Collection[str]) -> dict[str, User]:
    rows = User.objects.only("username_key", "display_name", "password")
    waiting = iter(keys)
    found: dict[str, User] = {}
    while some := list(islice(waiting, _AT_ONCE)):
        found |= {user.username_key: user for user in rows.filter(username_key__in=some)}
    return found


def _is_of(user: User, nick: str) -> bool:
    """Say whether this is the user made for a nick, not a person who took the name."""
    return user.display_name == nick and user.password.startswith(UNUSABLE_PASSWORD_PREFIX)


def _user(nick: str, username: str, *, now: datetime) -> User:
    user = User(username=username, username_key=names.key(username), created_at=now)
    user.call(nick)
    user.password = make_password(None)
    return user


def _username(nick: str, attempt: int) -> str:
    """Return a name for a nick: itself if it may be one, else what is left of it and a mark."""
    if attempt == 0 and nick == names.key(nick) and not _FOREIGN.search(nick):
        plain = f"{_PREFIX}{nick}"
        if names.is_username(plain):
            return plain
    base = _FOREIGN.sub("_", nick)[:_LONGEST_BASE]
    # A plain name has no dot, so a marked one is never somebody else's plain one.
    mark = blake2b(f"{attempt}:{nick}".encode(), digest_size=4).hexdigest()
    marked = f"{_PREFIX}{base}.{mark}"
    return marked if names.is_username(marked) else f"{_PREFIX}nick.{mark}"
