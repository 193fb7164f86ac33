"""Staff at work in a real browser: the door, the lists, and a policy that lets no foreign script run."""

import pytest
from django_otp.oath import TOTP

from tests import desk

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def root(server):
    return desk.new_staff(superuser=True, password=desk.STAFF_PASSWORD)


def test_each_page_obeys_the_policy_and_runs_no_text_of_strangers(window, root):
    desk.world(HOSTILE, HOSTILE)
    window.log_in(root.username)
    for name, path, _ in desk.addresses():
        if name in {"logout", "jsi18n", "autocomplete"}:
            continue
        answer = window.open(path.removeprefix("/admin/"))
        assert answer.status in (200, 403, 404), path
        assert "owned" not in window.page.title(), path


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


def test_pages_for_a_look(window, root):
    window.log_in(root.username)
    window.shoot("dashboard")
