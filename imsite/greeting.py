"""What a newcomer is told: where it is, and who can log in."""

import orjson
from django.conf import settings

_HERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


def demo_logins() -> list[dict[str, str]]:
    """Return `{username, password}` of the demo's people; none if the demo was never loaded."""
    try:
        logins: list[dict[str, str]] = orjson.loads((settings.DATA_DIR / "demo.json").read_bytes())
    except FileNotFoundError:
        return []
    return logins


def show(*, port: int) -> None:
    """Print the addresses and the demo's logins."""
    base = f"http://{_HERE.get(settings.IM_HOST, settings.IM_HOST)}:{port}"
    lines = [
        f"imsite is ready: {base}/",
        f"  API docs     {base}/api/docs",
        f"  admin        {base}/admin/",
        f"  data         {settings.DATA_DIR}",
        *(f"  demo login   {who['username']} / {who['password']}" for who in demo_logins()),
    ]
    print("", *lines, "", "Ctrl-C stops it.", "", sep="\n", flush=True)
