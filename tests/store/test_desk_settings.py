"""The settings of a server that strangers reach: Django's own list of doubts is empty."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.once
BEHIND_TLS = {
    "IM_TLS": "on",
    "IM_HOSTS": "im.example.org",
    "IM_TRUSTED_PROXIES": "1",
    "IM_ADMIN_OTP": "on",
}


def test_check_deploy_has_nothing_to_say():
    args = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    told = subprocess.run(
        args,
        cwd=ROOT,
        env={**os.environ, **BEHIND_TLS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "no issues" in told.stdout


def test_behind_tls_pages_redirect_and_cookies_stay_inside():
    script = """
import django; django.setup()
from django.test import Client
client = Client()
plain = client.get('/admin/login/', HTTP_HOST='im.example.org')
assert plain.status_code == 301 and plain['Location'].startswith('https://'), plain
safe = client.get('/admin/login/', HTTP_HOST='im.example.org', HTTP_X_FORWARDED_PROTO='https')
assert safe.status_code == 200, safe
assert safe['Strict-Transport-Security'] == 'max-age=31536000', safe.headers
cookie = safe.cookies['imsite_csrf']
assert cookie['secure'] and cookie['path'] == '/admin/' and cookie['samesite'] == 'Strict'
assert client.get('/healthz').status_code == 200
"""
    env = {**os.environ, **BEHIND_TLS, "DJANGO_SETTINGS_MODULE": "imsite.settings"}
    args = [sys.executable, "-c", script]
    told = subprocess.run(args, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
