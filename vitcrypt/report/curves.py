"""Loss and accuracy over the epochs as places in an SVG: the page draws them in the colours of its reader."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from vitcrypt.report.records import Epoch

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 230, 56, 14, 14, 40
COLOURS, MARKS = 8, 100
"""How many colours the page has, and how many marks a line has at most."""
LARGEST = 1e30
"""A larger number is drawn as this one."""
History = Sequence[Epoch]


@dataclass(frozen=True)
class Line:
    """A curve: marks are (x, y, words)."""

    name: str
    colour: int
    marks: list[tuple[float, float, str]]

    @property
    def points(self) -> str:
        """Its marks, as SVG has them."""
        return " ".join(f"{x},{y}" for x, y, _ in self.marks)


@dataclass(frozen=True)
class Chart:
    """A picture with its axes: ticks are (place, text)."""

    title: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[Line]


def curves_of_run(history: History) -> list[Chart]:
    """Return loss and accuracy of one run, on training and held-out images."""
    charts = [
        _chart(title, [(split, _measured(history, f"{split}/{measure}")) for split in ("train", "val")])
        for measure, title in (("loss", "Loss"), ("acc", "Accuracy"))
    ]
    return [chart for chart in charts if chart.lines]


def curves_of_runs(runs: Sequence[tuple[str, History]]) -> list[Chart]:
    """Return accuracy in training and on held-out images, each with a line for every run, by name."""
    charts = [
        _chart(f"Accuracy on {images} images", [(name, _measured(history, measure)) for name, history in runs])
        for measure, images in (("train/acc", "training"), ("val/acc", "held-out"))
    ]
    return [chart for chart in charts if len(chart.lines) > 1]


def _measured(history: History, measure: str) -> list[tuple[int, float]]:
    """Return (epoch from 1, value) where it was measured, thinned to the marks of a line."""
    points = [(epoch.epoch + 1, value) for epoch in history if (value := epoch.measure(measure)) is not None]
    return points[:: math.ceil(len(points) / MARKS)] if points else []


def _chart(title: str, series: list[tuple[str, list[tuple[int, float]]]]) -> Chart:
    """Return what is drawn of (name, points); names without points keep their colour and get no line."""
    values = [max(-LARGEST, min(value, LARGEST)) for _, points in series for _, value in points]
    last = max((epoch for _, points in series for epoch, _ in points), default=1)
    y_ticks = MaxNLocator(5).tick_values(min(values, default=0), max(values, default=1))
    low, high = float(y_ticks[0]), float(y_ticks[-1])
    x_ticks = [tick for tick in MaxNLocator(6, integer=True).tick_values(1, max(last, 2)) if 1 <= tick <= last]

    def x(epoch: float) -> float:
        return round(LEFT + (epoch - 1) / max(last - 1, 1) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        share = (max(-LARGEST, min(value, LARGEST)) - low) / (high - low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    lines = [
        Line(name, number % COLOURS, [(x(epoch), y(v), f"{name}, epoch {epoch}: {v:.4g}") for epoch, v in points])
        for number, (name, points) in enumerate(series)
        if points
    ]
    return Chart(title, [(x(tick), f"{tick:g}") for tick in x_ticks], [(y(t), f"{t:.4g}") for t in y_ticks], lines)
