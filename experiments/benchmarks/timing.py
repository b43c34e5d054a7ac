"""Timing in turns: one call of each, again and again, so that whatever else the machine does befalls all alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Row:
    """One measurement.

    Args:
        group: The measurements that it was made in turns with.
        name: What was measured.
        seconds: Median time of one call.
        ratio: Median over the rounds of its time by that of `to`.
        to: The name that it is compared with.
        units: Images (or whatever `unit` says) in one call.
        unit: What is counted.
    """

    group: str
    name: str
    seconds: float
    ratio: float
    to: str
    units: int
    unit: str = "images"


def compare(
    group: str,
    calls: Mapping[str, Callable[[], Any]],
    to: str,
    units: int,
    rounds: int = 9,
    unit: str = "images",
    before: Callable[[], Any] = lambda: None,
) -> list[Row]:
    """Call all in turns, once to warm up and then `rounds` times, and compare each with the one named `to`.

    `before` is called before each of them and not timed.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            before()
            times[name].append(_seconds(call))
    return rows_of(group, {name: measured[1:] for name, measured in times.items()}, to, units, unit)


def rows_of(group: str, times: dict[str, list[float]], to: str, units: int, unit: str = "images") -> list[Row]:
    """Return the rows of times that were measured in turns, round by round."""
    return [
        Row(
            group,
            name,
            statistics.median(measured),
            statistics.median(mine / its for mine, its in zip(measured, times[to], strict=True)),
            to,
            units,
            unit,
        )
        for name, measured in times.items()
    ]


def _seconds(call: Callable[[], Any]) -> float:
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    started = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - started
