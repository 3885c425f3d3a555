"""Charts as SVG, drawn on the server: they need no script, follow the theme's colours, and have axes and units.

Coordinates are whole numbers in a drawing of WIDTH by HEIGHT; the page scales it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deliveries.admin.labels import milliseconds
from deliveries.reporting.stats import Summary, meant_percentile

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 84, 30, 12, 28
TICKS = 4
LABELS_MAX = 6
LONE = 7
"""Half the stroke that a point without neighbours is drawn as."""

Series = Sequence[tuple[datetime, Summary]]


@dataclass
class Bar:
    """A part of a column."""

    x: int
    y: int
    width: int
    height: int
    style: str
    title: str


@dataclass
class Line:
    """A line with its name; `parts` are stretches without a gap, as points of a polyline."""

    name: str
    style: str
    parts: list[str]
    last: str


@dataclass
class Chart:
    """A drawing: `rows` are (y, label) of the grid, `columns` are (x, moment) of the time axis."""

    title: str
    unit: str
    rows: list[tuple[int, str]]
    columns: list[tuple[int, datetime]]
    bars: list[Bar] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)
    summary: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


OUTCOMES = (("delivered", "Delivered", "good"), ("failed", "Failed, tried again", "fair"), ("dead", "Given up", "bad"))


def outcomes(series: Series) -> Chart:
    """Return columns of attempts by outcome over time."""
    top = ceiling(max((sum(_counts(point)) for _at, point in series), default=0))
    chart = Chart("Attempts by outcome", "attempts", _grid(top, lambda value: f"{value:,.0f}"), _times(series))
    step = (WIDTH - LEFT - RIGHT) / max(1, len(series))
    for index, (_at, point) in enumerate(series):
        base = 0
        for (_key, name, style), count in zip(OUTCOMES, _counts(point), strict=True):
            if count:
                upper = _y(base + count, top)
                x, width = round(LEFT + index * step + step * 0.1), max(1, round(step * 0.8))
                chart.bars.append(Bar(x, upper, width, max(1, _y(base, top) - upper), style, f"{name}: {count:,}"))
                base += count
    totals = [sum(column) for column in zip(*(_counts(point) for _at, point in series), strict=True)] or [0, 0, 0]
    chart.legend = [(f"{name}: {total:,}", style) for (_key, name, style), total in zip(OUTCOMES, totals, strict=True)]
    chart.summary = "; ".join(label for label, _style in chart.legend)
    return chart


LINES: Sequence[tuple[str, str, Callable[[Summary], float | None]]] = (
    ("Average", "good", lambda point: point.average_ms),
    ("p95", "fair", lambda point: meant_percentile(point.bands, 0.95)),
    ("p99", "bad", lambda point: meant_percentile(point.bands, 0.99)),
)
"""Name, style and value of each line of response times; percentiles break off where too little was measured."""


def response_times(series: Series) -> Chart:
    """Return lines of the response time's mean and percentiles over time."""
    values = {name: [value(point) for _at, point in series] for name, _style, value in LINES}
    top = ceiling(max((value for line in values.values() for value in line if value is not None), default=0))
    chart = Chart("Response time", "time to the whole answer", _grid(top, milliseconds), _times(series))
    for name, style, _value in LINES:
        points = [(_x(index, len(series)), value) for index, value in enumerate(values[name])]
        known = [value for value in values[name] if value is not None]
        last = milliseconds(known[-1]) if known else ""
        chart.lines.append(Line(name, style, _stretches(points, top), last))
        chart.legend.append((f"{name}: {last} in the last step" if last else f"{name}: too few values", style))
    chart.summary = "; ".join(label for label, _style in chart.legend)
    return chart


def ceiling(value: float) -> float:
    """Return the least axis' end that is not below `value` and has whole, round ticks; TICKS for nothing."""
    if value <= TICKS:
        return TICKS
    power = 10.0 ** math.floor(math.log10(value / TICKS))
    factors = (1, 2, 5, 10) if power < 10 else (1, 1.5, 2, 2.5, 5, 10)
    return next(TICKS * factor * power for factor in factors if TICKS * factor * power >= value)


def _counts(point: Summary) -> list[int]:
    counts = point.counts
    return [counts.get("delivered", 0), counts.get("failed", 0) + counts.get("interrupted", 0), counts.get("dead", 0)]


def _x(index: int, count: int) -> int:
    return round(LEFT + (index + 0.5) * (WIDTH - LEFT - RIGHT) / max(1, count))


def _y(value: float, top: float) -> int:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM))


def _grid(top: float, label: Callable[[float], str]) -> list[tuple[int, str]]:
    return [(_y(top * tick / TICKS, top), label(top * tick / TICKS) if tick else "0") for tick in range(TICKS + 1)]


def _times(series: Series) -> list[tuple[int, datetime]]:
    every = max(1, math.ceil(len(series) / LABELS_MAX))
    return [(_x(index, len(series)), at) for index, (at, _point) in enumerate(series) if index % every == every // 2]


def _stretches(points: list[tuple[int, float | None]], top: float) -> list[str]:
    stretches: list[list[str]] = [[]]
    for x, value in points:
        if value is None:
            stretches.append([])
        else:
            stretches[-1].append(f"{x},{_y(value, top)}")
    # A lone point is drawn as a short stroke, else it could not be seen.
    return [" ".join(part if len(part) > 1 else _stroke(part[0])) for part in stretches if part]


def _stroke(point: str) -> list[str]:
    x, y = point.split(",")
    return [f"{int(x) - LONE},{y}", f"{int(x) + LONE},{y}"]


def empty(series: Any) -> bool:
    """Tell whether there is nothing to draw."""
    return not any(point.attempts for _at, point in series)
