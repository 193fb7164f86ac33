"""Staff at work in a real browser: the door, the lists, and a policy that lets no foreign script run."""

from datetime import timedelta

import pytest
from django_otp.oath import TOTP
from playwright.sync_api import expect

from imsite.core import clock
from imsite.desk.models import Sample
from tests import desk

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"

_NO_PAGES = {"logout", "jsi18n", "autocomplete"}
# Looked at without a browser; nobody gets that far in one.
_REFUSED = ("_add", "_delete", "_history", "object_id>/")


@pytest.fixture(scope="module")
def root(server):
    return desk.new_staff(superuser=True, password=desk.STAFF_PASSWORD)


def test_each_page_obeys_the_policy_and_runs_no_text_of_strangers(window, root):
    desk.world(HOSTILE, HOSTILE)
    window.log_in(root.username)
    for name, path, _ in desk.addresses():
        if name in _NO_PAGES or name.endswith(_REFUSED):
            continue
        answer = window.open(path.removeprefix("/admin/"))
        assert answer.status in (200, 403, 404), path
        assert window.page.title() != "owned", path


def test_an_inline_script_would_not_run(window, root):
    window.log_in(root.username)
    ran = window.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        " document.body.append(s); return window.ran || 0 }"
    )
    assert ran == 0
    assert window.complaints.pop().startswith("Executing inline script")


def test_codes_are_set_up_and_asked_for(window):
    user = desk.new_staff("Moderator", password=desk.STAFF_PASSWORD)
    window.log_in(user.username)
    window.page.click("text=One-time codes")
    secret = window.page.inner_text("code").replace(" ", "")
    assert window.page.locator(".codes-picture svg").bounding_box()["width"] > 100
    window.page.fill("[name=code]", _code(secret))
    window.page.click("text=Set up")
    window.page.wait_for_selector(".tiles")
    window.page.click("text=Log out")
    window.log_in(user.username)
    assert window.page.locator(".errornote").count() == 1


def _code(secret: str) -> str:
    import base64
    import time

    totp = TOTP(base64.b32decode(secret))
    totp.time = time.time()
    return f"{totp.token():06d}"


def test_the_dashboard_draws_its_curves(window, root):
    now, sent = clock.now(), 0
    hours = [now - timedelta(hours=n) for n in range(24 * 31, -1, -1)]
    kept = []
    for at in hours:
        sent += 40 + 400 * (at.hour > 6) + at.hour * 20 + at.day
        figures = {"active_hour": 10 + at.hour * 3, "active_day": 190 + at.day}
        kept.append(Sample(at=at, sent=sent, **figures))
    Sample.objects.bulk_create(kept, ignore_conflicts=True)
    window.log_in(root.username)
    assert window.page.locator("svg.chart").count() == 4
    assert window.page.locator("svg.chart rect.bar").count() == 24 + 30 + 24 + 30
    assert window.page.locator("svg.chart rect.unknown").count() == 0
    expect(window.page.locator(".tile", has_text="Periodic work")).to_contain_text("0 min ago")
    window.shoot("dashboard")
