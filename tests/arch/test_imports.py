"""Who may import whom (pyproject, [tool.importlinter])."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_import_contracts_are_kept():
    program = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_process_starts_without_what_few_requests_need():
    """Each of these takes a tenth of a second of CPU or more, in every process, at every start."""
    heavy = ["celery", "kombu", "qrcode", "PIL", "jwt", "h2", "cryptography.hazmat.primitives"]
    code = f"""
import django; django.setup()
import imsite.urls, sys
from django.urls import get_resolver
get_resolver().url_patterns
print([each for each in {heavy} if each in sys.modules])
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "imsite.settings"}
    argv = [sys.executable, "-c", code]
    found = subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
