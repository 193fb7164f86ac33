"""How somebody wants to be woken."""

from datetime import UTC, datetime

import pytest

from push import preferences
from tests.cast import Person

NIGHT = {"start": "22:00", "end": "07:05", "tz": "Europe/Zurich"}


def test_who_said_nothing_is_woken_at_any_hour_with_previews(alice):
    assert alice.get("push/settings") == {"preview": True, "quiet_hours": None}


def test_absent_quiet_hours_stay_and_null_lifts_them(alice):
    told = alice.post("push/settings", {"preview": False, "quiet_hours": NIGHT})
    assert told == {"preview": False, "quiet_hours": NIGHT} == alice.get("push/settings")
    assert alice.post("push/settings", {"preview": True}) == {
        "preview": True,
        "quiet_hours": NIGHT,
    }
    lifted = alice.post("push/settings", {"preview": True, "quiet_hours": None})
    assert lifted == {"preview": True, "quiet_hours": None} == alice.get("push/settings")


@pytest.fixture(scope="module")
def ann(database) -> Person:
    """Who gets nothing right."""
    return Person.new("ann")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "preview"),
        ({"preview": None}, "preview"),
        ({"preview": 1}, "preview"),
        ({"preview": "true"}, "preview"),
        ({"preview": True, "sound": True}, "sound"),
        ({"quiet_hours": NIGHT}, "preview"),
        ({"preview": True, "quiet_hours": "22-7"}, "quiet_hours"),
        ({"preview": True, "quiet_hours": {}}, "quiet_hours.start"),
        ({"preview": True, "quiet_hours": {**NIGHT, "days": [1]}}, "quiet_hours.days"),
        *(
            ({"preview": True, "quiet_hours": {**NIGHT, "end": wrong}}, "quiet_hours.end")
            for wrong in ("24:00", "7:00", "07:60", "0700", "07:00:00", "٠٧:٠٠", "07:00\n", 7, None)
        ),
        *(
            ({"preview": True, "quiet_hours": {**NIGHT, "tz": wrong}}, "quiet_hours.tz")
            for wrong in (
                "",
                "Zurich",
                "europe/zurich",
                "+01:00",
                "../UTC",
                "/etc/passwd",
                "Europe",
                "localtime",
                "x" * 65,
                1,
                None,
            )
        ),
    ],
)
def test_refuses_what_no_clock_says_and_names_the_field(ann, body, field):
    ann.post("push/settings", {"preview": False, "quiet_hours": NIGHT})
    answer = ann.request("POST", "push/settings", body)
    assert answer.status_code == 400, answer.content
    assert field in answer.json()["data"]["fields"]
    assert ann.get("push/settings") == {"preview": False, "quiet_hours": NIGHT}


def test_wishes_of_many_cost_one_query(alice, bob, django_assert_num_queries):
    alice.post("push/settings", {"preview": False, "quiet_hours": NIGHT})
    with django_assert_num_queries(1):
        found = preferences.wishes([alice.id, bob.id])
    midnight = datetime(2026, 5, 1, 22, 30, tzinfo=UTC)
    assert found[bob.id] == preferences.DEFAULT
    assert found[bob.id].quiet_until(midnight) is None
    assert not found[alice.id].preview
    assert found[alice.id].quiet_until(midnight) == datetime(2026, 5, 2, 5, 5, tzinfo=UTC)


def test_only_ones_own(alice):
    alice.post("push/settings", {"preview": False})
    assert Person.new("other").get("push/settings")["preview"] is True
