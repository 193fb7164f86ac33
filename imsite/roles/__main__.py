"""One command for each role: `python -m imsite.roles api|ws|worker|beat`."""

import os
import sys
from importlib import import_module

# Named, not imported: each role loads only what it needs.
ROLES = {
    "api": "imsite.roles.api",
    "ws": "imsite.roles.ws",
    "worker": "imsite.roles.worker",
    "beat": "imsite.roles.beat",
}


def main() -> int:
    """Run the role that the first argument names; return the exit code."""
    role = sys.argv[1] if len(sys.argv) == 2 else ""
    if role not in ROLES:
        print(f"usage: python -m imsite.roles {'|'.join(ROLES)}", file=sys.stderr)
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")
    code: int = import_module(ROLES[role]).main()
    return code


if __name__ == "__main__":
    sys.exit(main())
