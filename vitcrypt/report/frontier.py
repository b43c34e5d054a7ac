"""What accuracy can be had at what price: provable bits, linkage and restoration, for each scheme and its options."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vitcrypt.report.figures import literal, saved
from vitcrypt.report.frame import CASE, LABELS, Table, Texts
from vitcrypt.report.linkage import linked_first
from vitcrypt.report.records import Results
from vitcrypt.report.security import strongest
from vitcrypt.report.tradeoff import MARKERS, accuracies, restored
from vitcrypt.report.verdict import RULE
from vitcrypt.untrusted.text import printable

PRICES = {
    "leak_bits": "bits that a ciphertext tells at most",
    "linked": "found in a gallery (%), exact copies",
    "any_restored": "worst restoration (median SSIM)",
}
"""What is paid, the less the better: columns of the points, and in words."""
ENDS = {"leak_bits": (0, None), "linked": (-3, 103), "any_restored": (-0.1, 1.05)}
COLUMNS = ["data", "scheme", "size / block", "options", "network", "accuracy", "sd", "runs", "bits, at most"]
COLUMNS += ["linked, %", "jpeg90, %", "restored", "by", "best in"]
SHORT = {"leak_bits": "bits", "linked": "linkage", "any_restored": "restoration"}
LINKS = ("link", "link_learned")


def frontier(results: Results) -> tuple[Table, pd.DataFrame]:
    """Return a row for each network on each scheme with its options, and the same as points of a picture."""
    points = pd.concat([_points(part).assign(knob=knob) for knob, part in _by_options(results)] or [_points([])])
    points = points.sort_values([*CASE, "knob", "network", "variant"]).reset_index(drop=True)
    for price in PRICES:
        points[f"best_{price}"] = _unbeaten(points, price)
    rows = []
    for _, point in points.iterrows():
        measured = [f"{point['accuracy']:.2f}", _number(point["sd"], ".2f"), f"{point['runs']:.0f}"]
        measured += [_number(point["leak_bits"], ",.0f")]
        measured += [_number(point[name], ".1f") or "not run" for name in ("linked", "linked_jpeg90")]
        measured += [_number(point["any_restored"], ".3f") or "not run", str(point["any_by"] or "").replace("_", " ")]
        best = ", ".join(SHORT[price] for price in PRICES if point[f"best_{price}"])
        rows.append([*point[LABELS], point["knob"], point["name"], *measured, best])
    notes = [
        "accuracy: of the test images in percent after the last epoch, mean over the runs; sd: over these.",
        "bits, at most: what is proved that a ciphertext leaks of its image, whoever looks; with a fresh key for each, "
        "log2 of the number of orbits (docs/what-is-possible.md). Empty: under one key, or where nothing is proved.",
        "linked: the share of ciphertexts whose own image is the nearest of a gallery, exact copies and JPEG 90. "
        "Under one key, where that was not run: with a key each, which is no easier.",
        "restored: the largest median SSIM over the attacks that were run. Others may restore more.",
        "best in: no other row on these images has this accuracy for less of it (of rows where it was measured).",
        *RULE[:1],
    ]
    return Table("Accuracy, and what it is paid with", Texts(rows, COLUMNS), notes, text=5), points


def _by_options(results: Results) -> Iterator[tuple[str, Results]]:
    """Yield results by the options of their scheme that its label does not name, as "sigma=32.0"."""
    parts: dict[str, Results] = {}
    for result in results:
        options = {
            name: value
            for name, value in (result.config.encryption or {}).items()
            if name not in ("_target_", "block_size", "channel_shuffle")
        }
        told = ", ".join(f"{printable(name, 30)}={printable(value, 30)}" for name, value in sorted(options.items()))
        parts.setdefault(told, []).append(result)
    yield from parts.items()


def _points(results: Results) -> pd.DataFrame:
    """Return the trained networks, with what attacks came to on the same case."""
    found = strongest(results)
    prices = restored(found[~found["attack"].isin(LINKS)]).drop(columns="verdict")
    points = accuracies(results).merge(prices, on=[*CASE, "label", "sizes"], how="left")
    linked = linked_first(results)
    cases = [tuple(case) for case in points[CASE].itertuples(index=False)]
    for name, copies in (("linked", "exact"), ("linked_jpeg90", "jpeg90")):
        rates = [linked.get((case, copies), linked.get((_each(case), copies))) for case in cases]
        points[name] = pd.Series(rates, points.index, dtype=float)
    return points.astype({"leak_bits": float, "any_restored": float}).replace({"any_by": {math.nan: None}})


def _each(case: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the case of the same scheme with a key each: what links these ciphertexts links those under one key."""
    *scheme, options = case
    return (*scheme, ", ".join(filter(None, [options, "a key each"])))


def _unbeaten(points: pd.DataFrame, price: str) -> list[bool]:
    """Return for each point whether none on the same images is as accurate for less, or more accurate for as much."""
    told = []
    for _, point in points.iterrows():
        others = points[points["data"] == point["data"]]
        cheaper = (others["accuracy"] >= point["accuracy"]) & (others[price] < point[price])
        better = (others["accuracy"] > point["accuracy"]) & (others[price] <= point[price])
        told.append(bool(pd.notna(point[price]) and not (cheaper | better).any()))
    return told


def _number(value: Any, form: str) -> str:
    return "" if pd.isna(value) else format(value, form)


@literal
def draw_frontier(points: pd.DataFrame, path: Path) -> Path:
    """Draw accuracy over each price, one row of panels for each data set; a line joins what nothing beats.

    Raises:
        ValueError: No training is among the results.
    """
    if points.empty:
        raise ValueError("no training is among the results; vitcrypt run writes them")
    sets = sorted(points["data"].unique())
    figure = Figure(figsize=(13, 4.6 * len(sets)), layout="constrained")
    axes = figure.subplots(len(sets), len(PRICES), squeeze=False)
    for row, data in zip(axes, sets, strict=True):
        here = points[points["data"] == data]
        for axis, price in zip(row, PRICES, strict=True):
            _panel(axis, here, price)
            axis.set(xlim=ENDS[price], xlabel=PRICES[price], ylabel=f"test accuracy on {data} (%)")
        row[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return saved(figure, path, dpi=110)


def _panel(axis: Axes, points: pd.DataFrame, price: str) -> None:
    networks = sorted(points["name"].unique())
    for _, point in points.iterrows():
        style: dict[str, Any] = {
            "marker": MARKERS[networks.index(point["name"]) % len(MARKERS)],
            "color": f"C{point['order']}",
        }
        label = ", ".join(filter(None, [f"{point['label']} ({point['sizes']})", point["knob"], point["name"]]))[:80]
        axis.errorbar(point[price], point["accuracy"], point["sd"], linestyle="none", label=label, **style)
    best = points[points[f"best_{price}"]].sort_values([price, "accuracy"])
    axis.plot(best[price], best["accuracy"], color="grey", linewidth=1, zorder=0)
    for accuracy in points[points["scheme"] == "plain"]["accuracy"]:
        axis.axhline(accuracy, color="grey", linestyle=":", linewidth=1)
    axis.grid(alpha=0.25)
