"""The bars: what each figure is held against on each engine, by (scenario, what)."""

from bench.report import Bar

_FLAT = Bar(least=0.85, most=1.15, of_ratio=True)

_EMBEDDED = {
    ("sends", "64 clients, hot"): Bar(least=1000),
    ("sends", "64 clients, spread"): Bar(least=1000),
    ("sends", "64 clients beside 1"): Bar(least=5, of_ratio=True),
    ("pages", "CPU, newest"): Bar(most=2.5, of_ratio=True),
    ("idle_sync", "304, CPU"): Bar(most=3, of_ratio=True),
    ("idle_sync", "200, CPU"): Bar(most=3, of_ratio=True),
    ("pages", "deep beside newest"): _FLAT,
    ("members", "CPU, 1,000 beside 10"): _FLAT,
    ("members", "CPU, 100,000 beside 10"): _FLAT,
    ("pings", "storm: frames a socket"): Bar(most=10),
    ("pings", "storm: all at the last seq"): Bar(most=2),
    ("pings", "storm: sends beside none listening"): Bar(most=2, of_ratio=True),
    ("memory", "idle socket"): Bar(most=50),
    ("expiry", "sends beside it, p99"): Bar(most=2, of_ratio=True),
    ("expiry", "memory of a run"): Bar(most=16),
    ("expiry", "disk after two fillings"): Bar(most=1.2, of_ratio=True),
    ("idle_sync_5000", "304"): Bar(most=10),
    ("idle_sync_5000", "200"): Bar(most=10),
    ("owing", "100,000 members, mentions only"): Bar(most=2),
    ("owing", "100,000 members, @all"): Bar(most=2),
    ("draining", "20,000 debts drained"): Bar(most=60),
}
_PRODUCTION = _EMBEDDED | {
    ("sends", "64 clients, hot"): Bar(least=2500),
    ("sends", "64 clients, spread"): Bar(least=3000),
    ("sends", "spread beside bare view"): Bar(least=0.4, of_ratio=True),
    ("sends", "hot beside spread"): Bar(least=0.8, of_ratio=True),
    ("pages", "newest"): Bar(least=2500),
    ("pages", "deep"): Bar(least=2500),
    ("pages", "random"): Bar(least=2500),
    ("pages", "CPU, newest"): Bar(most=2, of_ratio=True),
    ("idle_sync", "304"): Bar(least=3000),
    ("idle_sync", "200"): Bar(least=3000),
    ("catch_up", "5 of 200 changed"): Bar(most=3),
    ("catch_up", "first sync of 200"): Bar(most=15),
    ("pings", "at rest: last socket, p50"): Bar(most=35),
    ("pings", "at rest: last socket, p99"): Bar(most=100),
    ("pings", "one process: frames while telling all"): Bar(least=25_000),
    ("memory", "idle socket"): Bar(most=35),
    ("bytes", "log and its indexes"): Bar(most=450),
    ("ws_sends", "64 sockets, hot"): Bar(least=6000),
    ("ws_sends", "64 sockets, spread"): Bar(least=6000),
    ("batches", "of 50, hot"): Bar(least=12_000),
    ("batches", "of 50, spread"): Bar(least=12_000),
}
del _PRODUCTION["sends", "64 clients beside 1"]

BARS = {"sqlite": _EMBEDDED, "postgresql": _PRODUCTION}
