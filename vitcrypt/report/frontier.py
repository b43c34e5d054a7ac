"""What accuracy can be had at what price: provable bits, linkage and restoration, for each scheme and its options."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import ConfigDict, Field

from vitcrypt.report.figures import literal, saved
from vitcrypt.report.frame import CASE, LABELS, SCHEMES, Table, Texts
from vitcrypt.report.linkage import linked_first
from vitcrypt.report.records import Results
from vitcrypt.report.security import strongest
from vitcrypt.report.tradeoff import MARKERS, accuracies, restored
from vitcrypt.report.verdict import RULE
from vitcrypt.untrusted.documents import Document, Share, read_document
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
FEATURES = (
    "features: vectors of a public network, clipped to length 1, with noise of sigma; linked by likelihood ratio with "
    "all known but the noise. Class means are trained; they classify noisy queries, or go back to the owner."
)


class _Swept(Document):
    """Dimension and noise of private features, and what was measured there."""

    model_config = ConfigDict(extra="ignore")
    dimension: Annotated[int, Field(ge=1, le=2**20)]
    sigma: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    leakage_bits: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    noisy: Share
    returned: Share
    rows_linked: Share


class _Sweep(Document):
    """The record of `experiments/features/frontier.py`."""

    model_config = ConfigDict(extra="ignore")
    seeds: Annotated[int, Field(ge=1, le=10**6)]
    rows: Annotated[list[_Swept], Field(max_length=10_000)]


def frontier(results: Results, features: Path | None = None) -> tuple[Table, pd.DataFrame]:
    """Return a row for each network on each scheme with its options, and the same as points of a picture.

    Args:
        results: Of trainings and attacks.
        features: A record of private features on CIFAR-10, as `experiments/features/frontier.py` writes it.
    """
    parts = [_points(part).assign(knob=knob) for knob, part in _by_options(results)]
    parts += [_swept(read_document(features, _Sweep))] if features is not None else []
    points = pd.concat(parts or [_points([]).assign(knob="")])
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
        "restored: the largest median SSIM over the attacks that were run, and of ciphertexts that show their images "
        "(no attack). Others may restore more.",
        "best in: no other row on these images has this accuracy for less of it (of rows where it was measured).",
        *RULE[:1],
        *([FEATURES] if features is not None else []),
    ]
    return Table("Accuracy, and what it is paid with", Texts(rows, COLUMNS), notes, text=5), points


def _swept(sweep: _Sweep) -> pd.DataFrame:
    """Return private features as points: queries with the noise of training rows, and means that the owner gets."""
    case = {"data": "cifar10", "order": len(SCHEMES), "scheme": "features", "size": 32, "block": 1, "options": ""}
    case |= {"label": "features", "sizes": "32", "variant": "", "runs": sweep.seeds}
    rows = [
        {
            **case,
            "knob": f"d={row.dimension}, sigma={row.sigma}",
            "network": name,
            "name": name,
            "accuracy": 100 * accuracy,
            "leak_bits": row.leakage_bits,
            "linked": 100 * row.rows_linked,
        }
        for row in sweep.rows
        for name, accuracy in (("class means, noisy queries", row.noisy), ("class means, returned", row.returned))
    ]
    points = pd.DataFrame(rows, columns=[*case, "knob", "network", "name", "accuracy", "leak_bits", "linked"])
    empty = {"sd": math.nan, "linked_jpeg90": math.nan, "any_restored": math.nan, "any_by": None}
    return points.assign(**empty).astype({"leak_bits": float})


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
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    axes = figure.subplots(len(sets), len(PRICES), squeeze=False)
    for row, data in zip(axes, sets, strict=True):
        here = points[points["data"] == data]
        for axis, price in zip(row, PRICES, strict=True):
            _panel(axis, here, price)
            axis.set(xlim=ENDS[price], xlabel=PRICES[price], ylabel=f"test accuracy on {data} (%)")
        row[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    named = max(len(row[-1].get_legend_handles_labels()[1]) for row in axes)
    figure.set_figheight(max(4.6, 0.19 * named) * len(sets))  # as high as the words beside it
    return saved(figure, path, dpi=110)


def _panel(axis: Axes, points: pd.DataFrame, price: str) -> None:
    networks, named = sorted(points["name"].unique()), set[str]()
    for _, point in points.iterrows():
        style: dict[str, Any] = {
            "marker": MARKERS[networks.index(point["name"]) % len(MARKERS)],
            "color": f"C{point['order']}",
        }
        knob = point["knob"] if point["scheme"] != "features" else ""  # a sweep is one line of the legend
        label = ", ".join(filter(None, [f"{point['label']} ({point['sizes']})", knob, point["name"]]))[:80]
        label = label if label not in named else ""
        named.add(label)
        axis.errorbar(point[price], point["accuracy"], point["sd"], linestyle="none", label=label, **style)
    best = points[points[f"best_{price}"]].sort_values([price, "accuracy"])
    axis.plot(best[price], best["accuracy"], color="grey", linewidth=1, zorder=0)
    for accuracy in points[points["scheme"] == "plain"]["accuracy"]:
        axis.axhline(accuracy, color="grey", linestyle=":", linewidth=1)
    axis.grid(alpha=0.25)
