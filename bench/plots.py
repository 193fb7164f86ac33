"""Draw the curves of a run as SVG: `python -m bench.plots RUN.json [FOLDER]` (docs/plots by default)."""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
# The same run gives the same file.
matplotlib.rcParams["svg.hashsalt"] = "imsite"

from matplotlib import pyplot  # noqa: E402 - the back end is chosen first


def curves(rows: list[dict[str, Any]]) -> dict[str, list[tuple[float, float, str]]]:
    """Return by curve the (x, value, unit) of its rows, in the order of x."""
    found: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for row in rows:
        if row.get("curve") and row.get("value") is not None:
            found[row["curve"]].append((row["x"], row["value"], row["unit"]))
    return {name: sorted(points) for name, points in found.items()}


def draw(name: str, points: list[tuple[float, float, str]], beneath: str) -> Any:
    """Return the figure of one curve: from zero, so that flat looks flat."""
    figure, axes = pyplot.subplots(figsize=(6, 3.5))
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    axes.plot(xs, ys, marker="o")
    axes.set_xscale("log")
    axes.set_xticks(xs, [f"{x:,.0f}" for x in xs])
    axes.minorticks_off()
    axes.set_ylim(0, max(ys) * 1.25)
    axes.set_ylabel(points[0][2].strip())
    axes.set_title(name)
    axes.set_xlabel(beneath, fontsize=7)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    return figure


def main() -> None:
    """Draw every curve of the run named."""
    run = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "docs/plots")
    folder.mkdir(parents=True, exist_ok=True)
    beneath = f"{run['engine']}, {run['facts']['machine']}, {run['facts']['taken'][:10]}"
    for name, points in curves(run["rows"]).items():
        path = folder / f"{run['engine']}-{name.replace(' ', '-')}.svg"
        draw(name, points, beneath).savefig(path, metadata={"Date": None})
        print(path)


if __name__ == "__main__":
    main()
