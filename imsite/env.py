"""Typed readers of the environment: every knob passes here and fails loudly when it makes no sense."""

import os
import secrets
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

# FileAwareEnv also reads NAME from the file that NAME_FILE points at, as container secrets need it.
env = environ.FileAwareEnv()
if (BASE_DIR / ".env").exists():
    environ.Env.read_env(BASE_DIR / ".env")


def data_dir() -> Path:
    """Return the folder that holds everything this installation keeps, made if it is missing."""
    path = Path(env.str("IM_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def secret_key(folder: Path) -> str:
    """Return IM_SECRET_KEY, or the key kept in the data folder, made at the first start."""
    given: str = env.str("IM_SECRET_KEY", default="")
    if given:
        return given
    path = folder / "secret_key"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text().strip()


def valkey_socket(folder: Path) -> Path:
    """Return where our own valkey listens: unix socket paths must stay under 108 bytes."""
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) < 100:
        return path
    short = Path("/tmp") / f"imsite-{os.getuid()}-{folder.stat().st_ino}"
    short.mkdir(mode=0o700, exist_ok=True)
    return short / "valkey.sock"
