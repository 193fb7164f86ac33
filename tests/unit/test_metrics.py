"""Counts of many processes add up, outlive who counted, and cost next to nothing."""

import json
import os
import subprocess
import sys
import timeit
from pathlib import Path

import pytest
from django.urls import URLPattern, get_resolver
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from imsite.core import metrics

ROOT = Path(__file__).resolve().parents[2]
# Counts 5 and opens 3 sockets in a child, 1 and 2 of its own; says what is told before and after the
# child was killed.
STORY = """
import json, os, signal, sys
from prometheus_client.parser import text_string_to_metric_families
from imsite.core import metrics

def told():
    text = metrics.folder.render("", Nothing())[0].decode()
    found = {s.name: s.value for f in text_string_to_metric_families(text) for s in f.samples}
    names = "imsite_writer_refusals_total", "imsite_sockets", "imsite_group_commit_size_count"
    return [found[name] for name in names]

class Nothing:
    def collect(self):
        return []

def count(times, sockets):
    metrics.writer_refusals.inc(times)
    metrics.sockets.inc(sockets)
    metrics.group_size.observe(times)

ready, tell = os.pipe()
count(1, 2)
child = os.fork()
if not child:
    count(5, 3)
    os.write(tell, b"x")
    signal.pause()
os.read(ready, 1)
before = told()
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
print(json.dumps([before, told(), told()]))
"""


def run(folder: Path) -> list[list[float]]:
    """Tell the story in a process of its own."""
    environment = {
        **os.environ,
        "IM_DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "imsite.settings",
    }
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "-c", STORY],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_sums_outlive_a_process_that_was_killed_and_its_gauges_do_not(tmp_path):
    living, dead, again = run(tmp_path)
    assert living == [6, 5, 2]
    assert dead == again == [6, 2, 2]


def test_when_all_have_ended_it_begins_anew(tmp_path):
    assert run(tmp_path)[0] == run(tmp_path)[0]
    # One living name and the past: files of the dead do not pile up.
    assert len(list((tmp_path / "metrics").glob("*.db"))) <= 8


@pytest.mark.parametrize(
    ("route", "name"),
    [
        (None, "unknown"),
        ("^api/v1(/.*)?$", "unknown"),
        ("", "home"),
        ("admin/accounts/user/<path:object_id>/", "admin"),
        (
            "api/v1/conversations/<id:conversation_id>/messages",
            "conversations/{conversation_id}/messages",
        ),
    ],
)
def test_an_operation_is_named_by_its_pattern(route, name):
    assert metrics.operation(route) == name


def test_operations_are_few_and_plain():
    names = {metrics.operation(route) for route in _routes(get_resolver(), "")}
    assert 40 < len(names) < 80
    assert not {name for name in names if set("<>^$()") & set(name)}


def _routes(resolver, prefix):
    for each in resolver.url_patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLPattern):
            yield route
        else:
            yield from _routes(each, route)


def test_methods_that_clients_invent_are_one_series():
    for n in range(50):
        metrics.answered(None, f"INVENTED{n}", 405, 0.001)
    verbs = {key[1] for key in metrics._timed}
    assert not {verb for verb in verbs if verb.startswith("INVENTED")}


def test_counting_a_request_costs_microseconds():
    def count():
        metrics.answered("api/v1/sync", "GET", 200, 0.0004)

    best = min(timeit.repeat(count, number=2000, repeat=5)) / 2000
    # 2 µs where it was written; the rest is for machines that are busy or slow.
    assert best < 20e-6


def test_a_tally_hands_over_what_it_counted_once():
    def total() -> float:
        return metrics.frames.labels("test")._value.get()

    before = total()
    for _ in range(7):
        metrics.frames_told.add("test")
    metrics.hand_over()
    metrics.hand_over()
    assert total() == before + 7


class TestDoor:
    """GET /metrics."""

    def test_it_answers_this_machine(self, client, alice):
        answer = client.get("/metrics")
        assert answer.status_code == 200
        families = {each.name for each in text_string_to_metric_families(answer.content.decode())}
        assert {
            "imsite_http_request_seconds",
            "imsite_database_up",
            "imsite_horizon_lag",
        } <= families
        assert 'operation="accounts/register"' in answer.content.decode()

    @pytest.mark.parametrize(
        "meta",
        [
            {"REMOTE_ADDR": "203.0.113.9"},
            {"REMOTE_ADDR": "10.0.0.2"},
            {"REMOTE_ADDR": "nonsense"},
            {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
            {"HTTP_FORWARDED": "for=127.0.0.1"},
            {"HTTP_X_REAL_IP": "127.0.0.1"},
            {"REMOTE_ADDR": "203.0.113.9", "HTTP_AUTHORIZATION": "Bearer "},
            {"REMOTE_ADDR": "203.0.113.9", "HTTP_AUTHORIZATION": "Bearer wrong"},
        ],
    )
    def test_to_others_it_is_not_there(self, client, settings, meta):
        settings.IM_METRICS_TOKEN = "right"
        told, unknown = client.get("/metrics", **meta), client.get("/nothing", **meta)
        assert told.status_code == unknown.status_code == 404
        assert b"imsite_" not in told.content

    @pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", ""])
    def test_this_machine_has_several_addresses(self, client, address):
        assert client.get("/metrics", REMOTE_ADDR=address).status_code == 200

    def test_a_token_opens_it_from_anywhere(self, client, settings):
        settings.IM_METRICS_TOKEN = "right"
        meta = {"REMOTE_ADDR": "203.0.113.9", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}
        assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer right", **meta).status_code == 200

    def test_no_token_is_no_empty_token(self, client):
        meta = {"REMOTE_ADDR": "203.0.113.9", "HTTP_AUTHORIZATION": "Bearer "}
        assert client.get("/metrics", **meta).status_code == 404

    def test_it_can_be_made_public(self, client, settings):
        settings.IM_METRICS_PUBLIC = True
        assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 200

    def test_it_is_only_read(self, client):
        assert client.post("/metrics").status_code == 405


def test_sends_are_counted(client, talk, alice):
    before = _value(client, "imsite_entries_total", {"class": "message"})
    talk.say(alice)
    talk.say(alice)
    assert _value(client, "imsite_entries_total", {"class": "message"}) >= before + 2
    assert _value(client, "imsite_group_commit_size_count", {}) > 0


def _value(client, name: str, labels: dict[str, str]) -> float:
    text = client.get("/metrics").content.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return 0.0


def test_the_dashboard_and_the_page_know_every_metric():
    dashboard = (ROOT / "docs/grafana.json").read_text()
    page = (ROOT / "docs/monitoring.md").read_text()
    json.loads(dashboard)
    names = {each._name for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)}
    names |= {"imsite_database_up", "imsite_horizon_lag", "imsite_push_unlooked"}
    names |= {"imsite_push_debts", "imsite_push_oldest_seconds"}
    names |= {"imsite_chore_lag_seconds", "imsite_chore_clock_doubted"}
    assert len(names) > 15
    assert not {name for name in names if name not in dashboard or f"`{name}" not in page}
