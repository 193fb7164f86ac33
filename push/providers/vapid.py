"""The key by which push services know this installation: given, or made once in the data folder."""

import base64
import os
import tempfile
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def private_key() -> ec.EllipticCurvePrivateKey:
    """Return the key of IM_VAPID_PRIVATE_KEY, or of the data folder, where it is made if missing."""
    return _parsed(settings.IM_VAPID_PRIVATE_KEY or _kept(settings.DATA_DIR / "vapid_key.pem"))


def public_key() -> str:
    """Return what browsers call the application server key: the point, uncompressed, in base64url."""
    return _told(settings.IM_VAPID_PRIVATE_KEY, settings.DATA_DIR)


@cache
def _told(given: str, folder: Path) -> str:
    # Named by what it depends on; asked for by each client that subscribes.
    point = private_key().public_key()
    raw = point.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _kept(path: Path) -> str:
    if not path.exists():
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        try:
            # Whole or not at all, and never in place of what another process made meanwhile.
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(made)
    return path.read_text()


def _parsed(given: str) -> ec.EllipticCurvePrivateKey:
    """Return a key written as PEM, or as 32 bytes in base64url, as most tools print it."""
    try:
        if "-----BEGIN" not in given:
            raw = base64.b64decode(given.strip() + "=" * (-len(given.strip()) % 4), b"-_", True)
            if len(raw) != 32:
                raise ValueError
            return ec.derive_private_key(int.from_bytes(raw), ec.SECP256R1())
        found = serialization.load_pem_private_key(given.encode(), password=None)
    except ValueError:
        raise ImproperlyConfigured("the VAPID key is neither PEM nor base64url") from None
    if not isinstance(found, ec.EllipticCurvePrivateKey) or found.curve.name != "secp256r1":
        raise ImproperlyConfigured("the VAPID key is not of the curve P-256")
    return found
