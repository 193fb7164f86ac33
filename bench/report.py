"""Rows of the table: a figure beside its ceiling and its bar, and whether it is met."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.load import Sample


@dataclass(frozen=True, slots=True)
class Bar:
    """What a row is held against: its value, or the ratio to its ceiling."""

    most: float | None = None
    least: float | None = None
    of_ratio: bool = False

    def __str__(self) -> str:
        times = " ×" if self.of_ratio else ""
        if self.most is not None and self.least is not None:
            return f"{_short(self.least)} to {_short(self.most)}{times}"
        sign, limit = ("≤", self.most) if self.least is None else ("≥", self.least)
        return f"{sign} {_short(limit or 0)}{times}"

    def missed_by(self, figure: float) -> float:
        """Return how many times beyond the bar the figure is; at most 1 if it is met."""
        over = figure / self.most if self.most is not None else 0.0
        under = self.least / figure if self.least is not None and figure else 0.0
        return max(over, under)


@dataclass(slots=True, kw_only=True)
class Row:
    """One figure of a scenario; `curve` and `x` put it on a plot."""

    scenario: str
    what: str
    value: float | None = None
    unit: str = ""
    ceiling: float | None = None
    beside: str = ""
    note: str = ""
    bar: Bar | None = None
    curve: str = ""
    x: float | None = None
    failure: str = ""

    @property
    def ratio(self) -> float | None:
        """The value over its ceiling."""
        if self.value is None or not self.ceiling:
            return None
        return self.value / self.ceiling

    @property
    def verdict(self) -> str:
        """`met`, or by how much the bar is missed; nothing without a bar."""
        if self.failure:
            return f"failed: {self.failure}"
        figure = self.ratio if self.bar and self.bar.of_ratio else self.value
        if self.bar is None:
            return ""
        if figure is None:
            return "not measured"
        missed = self.bar.missed_by(figure)
        return "met" if missed <= 1 else f"missed by {missed:.2f} ×"

    @property
    def good(self) -> bool:
        """Whether nothing is to be said against it."""
        return self.verdict in ("", "met")

    def shape(self) -> dict[str, Any]:
        """Return the row for the JSON."""
        found = asdict(self)
        bar = str(self.bar) if self.bar else None
        return found | {"bar": bar, "ratio": self.ratio, "verdict": self.verdict}


def note(sample: Sample) -> str:
    """Return what else a sample says."""
    used = ", ".join(f"{name} {us:,.0f}" for name, us in sorted(sample.used.items()) if us >= 1)
    cpu = f"CPU µs: {used}; " if used else ""
    return f"{cpu}p50 {_short(sample.p50)} p99 {_short(sample.p99)} ms"


def show(rows: list[Row], facts: dict[str, str]) -> None:
    """Print the facts and the table."""
    console = Console(highlight=False, width=None if Console().is_terminal else 210)
    for name, value in facts.items():
        console.print(f"{name}: {value}")
    table = Table(show_edge=False, pad_edge=False)
    for name in ("scenario", "what"):
        table.add_column(name, no_wrap=True)
    for name in ("measured", "ceiling", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("bar", "verdict", "besides"):
        table.add_column(name)
    last = ""
    for row in rows:
        style = None if row.good else "yellow"
        table.add_row("" if row.scenario == last else row.scenario, *_cells(row), style=style)
        last = row.scenario
    console.print(table)


def _cells(row: Row) -> list[str]:
    value = "" if row.value is None else f"{_short(row.value)} {row.unit}"
    ceiling = "" if row.ceiling is None else f"{_short(row.ceiling)} {row.beside}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return [row.what, value, ceiling, ratio, str(row.bar or ""), row.verdict, row.note]


def _short(number: float) -> str:
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.3g}"
