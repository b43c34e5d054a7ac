"""What an encryption is worth in two numbers: test accuracy on it, and the most that any attack restored of it."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vitcrypt.report.figures import literal, saved
from vitcrypt.report.frame import CASE, LABELS, Table, Texts, ciphers, training_frame
from vitcrypt.report.recipe import told_apart
from vitcrypt.report.records import Results
from vitcrypt.report.results import attacked, trained
from vitcrypt.report.security import CIPHERTEXT_ONLY, PAPER, budget_notes, strongest
from vitcrypt.report.verdict import BROKEN, OLD, RULE, worst

COLUMNS = ["data", "scheme", "size / block", "network", "accuracy", "runs", "ciphertext-only", "by", "any attack"]
COLUMNS += ["by", "verdict", "paper"]
SYMBOLS = {"x": "\N{BALLOT X}", "check": "\N{CHECK MARK}"}
MARKERS = "osD^vP*X"
NONE = "no attack"
"""What shows the images where untouched ciphertexts do."""


def tradeoff(results: Results) -> tuple[Table, pd.DataFrame, list[str]]:
    """Bring trainings and attacks together where data, scheme, its options and the sizes are the same.

    Returns:
        The table, the points of the scatter (a network by one recipe on a case), and what was left out and why.
    """
    found = strongest(results)
    runs, cases = accuracies(results), restored(found)
    both = runs.merge(cases, on=[*CASE, "label", "sizes"], how="outer", indicator="side")
    points = both[both["side"] == "both"].sort_values([*CASE, "network", "variant"])
    left_out = set()
    for entry in both[both["side"] != "both"].itertuples():
        case = f"{entry.label}, {entry.data}, {entry.sizes}"
        if entry.side == "right_only":
            left_out.add(f"{case}: attacked, but no training on it is among the results")
        elif entry.scheme not in ("plain", "none"):
            left_out.add(f"{entry.network} on {case}: trained, but no attack on it is among the results")
    rows = []
    for _, point in points.iterrows():
        measured = [f"{point['accuracy']:.2f}", f"{point['runs']:.0f}"]
        for name in ("alone", "any"):
            value, by = point[f"{name}_restored"], point[f"{name}_by"]
            measured += ["", ""] if pd.isna(value) else [f"{value:.3f}", by.replace("_", " ")]
        rows.append([*point[LABELS], point["name"], *measured, point["verdict"], PAPER.get(point["scheme"], "")])
    notes = [
        "accuracy: of the test images in percent after the last epoch, mean over the runs of a network by one recipe.",
        "ciphertext-only, any attack: the largest median SSIM over the attacks that were run. Others may restore more.",
        *RULE,
        *ciphers(points),
        *([OLD] if any(judged.missing for judged in found["verdict"]) else []),
        *budget_notes(found),
        f"{len(attacked(results))} attacks and {len(trained(results))} trainings read, {len(points)} points.",
    ]
    table = Table("Accuracy against worst restoration", Texts(rows, COLUMNS), notes, text=4)
    return table, points, sorted(left_out)


def accuracies(results: Results) -> pd.DataFrame:
    """Return mean accuracy and number of runs of each case, network and recipe.

    `variant` says what sets a recipe apart from others of the same network and case, `name` is network and variant.
    """
    keys = [*CASE, "label", "sizes", "network"]
    frame = training_frame(results)
    found = frame.groupby([*keys, "recipe"], sort=False).agg(
        accuracy=("accuracy", "mean"), runs=("accuracy", "size"), sd=("accuracy", "std"), leak_bits=("leak_bits", "max")
    )
    found = found.reset_index()
    found["variant"] = ""
    for _, same in found.groupby(keys):
        found.loc[same.index, "variant"] = told_apart(json.loads(recipe) for recipe in same["recipe"])
    found["name"] = [f"{e.network} ({e.variant})" if e.variant else e.network for e in found.itertuples()]
    return found


def restored(found: pd.DataFrame) -> pd.DataFrame:
    """Return what was restored most of each case, by attacks on ciphertexts alone and by any, and the verdict."""
    shown = found.assign(restored=[judged.shown for judged in found["verdict"]], attack=NONE).dropna(subset="restored")
    found = pd.concat([found, shown]).sort_values(["restored", "attack"])
    keys = [*CASE, "label", "sizes"]
    every = found.groupby(keys).agg(
        any_restored=("restored", "last"),
        any_by=("attack", "last"),
        verdict=("word", worst),
        old=("verdict", lambda judged: "*" * any(each.missing for each in judged)),
    )
    every["verdict"] += every.pop("old")
    alone = found[found["attack"].isin([*CIPHERTEXT_ONLY, NONE])].groupby(keys)
    return every.join(alone.agg(alone_restored=("restored", "last"), alone_by=("attack", "last"))).reset_index()


@literal
def draw_tradeoff(results: Results, points: pd.DataFrame, path: Path) -> Path:
    """Draw the scatter, one panel for each data set: full marks for attacks on ciphertexts alone, hollow for all.

    Raises:
        ValueError: There is no point.
    """
    if points.empty:
        raise ValueError("no scheme was both trained on and attacked; vitcrypt run and vitcrypt attack write results")
    sets = sorted(points["data"].unique())
    runs = accuracies(results)
    figure = Figure(figsize=(8.5, 4.2 * len(sets)), layout="constrained")
    for axis, data in zip(figure.subplots(len(sets), 1, squeeze=False)[:, 0], sets, strict=True):
        here = points[points["data"] == data]
        _panel(axis, here)
        plain = runs[(runs["data"] == data) & (runs["scheme"] == "plain") & runs["network"].isin(here["network"])]
        for number, entry in enumerate(plain.sort_values([*CASE, "network", "variant"]).itertuples()):
            axis.axvline(entry.accuracy, color="grey", linestyle=":", linewidth=1)
            height = 0.1 + 0.25 * (number % 3)  # so that the words of close lines do not lie on each other
            place = (entry.accuracy, height)
            axis.annotate(f"plain, {entry.name}", place, rotation=90, fontsize=8, color="grey")
        axis.axhline(BROKEN, color="grey", linewidth=0.6)
        axis.set(xlabel=f"test accuracy on {data} (%)", ylim=(-0.1, 1.08))
        axis.set_ylabel("worst restoration (median SSIM, best versions)")
        axis.grid(alpha=0.25)
        axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return saved(figure, path, dpi=110)


def _panel(axis: Axes, points: pd.DataFrame) -> None:
    networks = sorted(points["network"].unique())
    for _, point in points.iterrows():
        marker = MARKERS[networks.index(point["network"]) % len(MARKERS)]
        style: dict[str, Any] = {"marker": marker, "color": f"C{point['order']}", "linestyle": "none"}
        symbol = PAPER.get(point["scheme"], "")
        label = f"{point['label']} ({point['sizes']}), {point['name']}\npaper {SYMBOLS.get(symbol, symbol)}"
        label += f", here {point['verdict']}"
        x, alone, every = point["accuracy"], point["alone_restored"], point["any_restored"]
        axis.plot([x, x], [alone, every], color=style["color"], linewidth=1, alpha=0.5)
        axis.plot(x, every, markerfacecolor="white", markersize=11, label=label if pd.isna(alone) else None, **style)
        axis.plot(x, alone, markersize=6, label=None if pd.isna(alone) else label, **style)
    axis.set_title("full: by attacks on ciphertexts alone; hollow: by any attack that was run", fontsize=9)
