"""Small charts as inline SVG: no script, no style attribute, a title on each bar."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_WIDTH, _HEIGHT, _GAP = 480, 80, 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; None: nothing is known of that time."""

    label: str
    value: int | None


def bars(title: str, points: Sequence[Bar]) -> SafeString:
    """Return a bar chart, its highest bar the full height."""
    known = [each.value for each in points if each.value is not None]
    top = max([1, *known])
    step = _WIDTH / max(1, len(points))
    drawn = [_bar(n * step, step - _GAP, each, top) for n, each in enumerate(points)]
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        _WIDTH,
        _HEIGHT,
        f"{title}: highest {top if known else 'unknown'}",
        format_html_join("", "{}", [(each,) for each in drawn]),
    )


def _bar(x: float, width: float, bar: Bar, top: int) -> SafeString:
    unknown = bar.value is None
    height = 4.0 if unknown else max(1.0, _HEIGHT * (bar.value or 0) / top)
    said = "not known" if unknown else f"{bar.value:,}"
    return format_html(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>',
        "unknown" if unknown else "bar",
        f"{x:.1f}",
        f"{_HEIGHT - height:.1f}",
        f"{max(1.0, width):.1f}",
        f"{height:.1f}",
        bar.label,
        said,
    )
