"""Seals: the contents that moderators took back, encrypted, while they can still be put back."""

import zlib
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from os import urandom
from typing import TYPE_CHECKING

from django.conf import settings

from imsite.core import rows
from messages.casebook import Sealed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_TABLE = Sealed._meta.db_table
_NONCE = 12
_INFO = b"imsite sealed content 1"


@cache
def _cipher(secret: str) -> "AESGCM":
    # Loaded when the first seal is made: every process imports this module, and few ever seal.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), 32, salt=None, info=_INFO).derive(secret.encode()))


def _place(entry_id: int) -> bytes:
    """Return what binds a seal to its entry: moved to another it does not open."""
    return entry_id.to_bytes(8, "big")


def shut(entry_id: int, content: bytes) -> bytes:
    """Return a content of an entry, sealed."""
    nonce = urandom(_NONCE)
    cipher = _cipher(settings.SECRET_KEY)
    return nonce + cipher.encrypt(nonce, zlib.compress(content), _place(entry_id))


def opened(entry_id: int, sealed: bytes) -> bytes | None:
    """Return the content, or None if no key that is listed opens it."""
    from cryptography.exceptions import InvalidTag

    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            found = _cipher(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], _place(entry_id))
        except InvalidTag:
            continue
        return zlib.decompress(found)
    return None


def keep(order_id: int, contents: Sequence[tuple[int, bytes]], *, until: datetime) -> None:
    """Seal contents (entry, bytes) that an order took back."""
    columns = ("entry_id", "order_id", "until", "content")
    ends = rows.moment(until)
    sealed = [(entry_id, order_id, ends, shut(entry_id, raw)) for entry_id, raw in contents]
    rows.insert(_TABLE, columns, sealed)


def held(order_id: int, *, most: int, now: datetime) -> list[int]:
    """Return the lowest entries whose contents can be put back, up to `most`."""
    found = Sealed.objects.filter(order_id=order_id, until__gt=now).order_by("entry_id")
    return list(found.values_list("entry_id", flat=True)[:most])


def contents(entry_ids: Collection[int]) -> dict[int, bytes]:
    """Return what is sealed of these entries; what no key opens any more is left out."""
    found = Sealed.objects.filter(pk__in=entry_ids).values_list("entry_id", "content")
    raw = {entry_id: opened(entry_id, bytes(sealed)) for entry_id, sealed in found}
    return {entry_id: content for entry_id, content in raw.items() if content is not None}


def drop(entry_ids: Collection[int]) -> None:
    """Forget what is sealed of these entries, for good."""
    Sealed.objects.filter(pk__in=entry_ids).delete()


def sweep(*, now: datetime) -> int:
    """Forget what can no longer be put back, because its time is over or its entry was purged."""
    late, _ = Sealed.objects.filter(until__lte=now).delete()
    purged = rows.execute(
        f"""DELETE FROM {_TABLE} WHERE EXISTS (SELECT 1 FROM conversations_conversation c
 WHERE c.id = {_TABLE}.entry_id >> 32 AND {_TABLE}.entry_id <= c.id << 32 | c.floor_seq)"""
    )
    return late + purged
