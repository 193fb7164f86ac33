"""Knobs of push providers: off until they are set up, and loud when they make no sense."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

ACCOUNT = json.dumps(
    dict.fromkeys(("project_id", "client_email", "private_key", "token_uri"), "something")
)
SAY = "import json, imsite.settings_push as found; print(json.dumps(found.PUSH_ROUTES))"


def _read(tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IM_")}
    return subprocess.run(
        [sys.executable, "-c", SAY],
        cwd=ROOT,
        env={**kept, "IM_DATA_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_provider_is_on_once_it_is_set_up(tmp_path):
    (tmp_path / "account.json").write_text(ACCOUNT)
    found = _read(
        tmp_path,
        IM_FCM_SERVICE_ACCOUNT_FILE=str(tmp_path / "account.json"),
        IM_VAPID_SUBJECT="mailto:me@example.org",
        IM_PUSH_WEBHOOK_URL="https://hook.example.org",
        IM_PUSH_WEBHOOK_SECRET="0123456789abcdef",
        IM_PUSH_APNS="webhook",
    )
    assert json.loads(found.stdout) == {"fcm": "fcm", "apns": "webhook", "webpush": "webpush"}


def test_with_nothing_set_up_all_goes_to_the_console(tmp_path):
    assert set(json.loads(_read(tmp_path).stdout).values()) == {"console"}


NONSENSE = [
    {"IM_PUSH_FCM": "fcm"},
    {"IM_PUSH_APNS": "webhook"},
    {"IM_PUSH_WEBPUSH": "fcm"},
    {"IM_FCM_SERVICE_ACCOUNT": "{"},
    {"IM_FCM_SERVICE_ACCOUNT": "[]"},
    {"IM_FCM_SERVICE_ACCOUNT": '{"project_id": "x"}'},
    {"IM_APNS_KEY": "x"},
    {"IM_VAPID_SUBJECT": "me@example.org"},
    {"IM_PUSH_WEBHOOK_URL": "https://hook.example.org", "IM_PUSH_WEBHOOK_SECRET": "short"},
    {"IM_PUSH_WEBHOOK_SECRET": "whsec_no base64 at all"},
    {"IM_PUSH_TIMEOUT": "0"},
]


@pytest.mark.parametrize("environment", NONSENSE, ids=lambda given: "+".join(given))
def test_what_makes_no_sense_stops_the_start(tmp_path, environment):
    found = _read(tmp_path, **environment)
    assert found.returncode != 0
    assert "ImproperlyConfigured" in found.stderr
