"""Break curves: what is restored, against the number of ciphertexts or of known pairs that the attacker holds."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from vitcrypt.report.figures import literal, saved
from vitcrypt.report.frame import CASE, LABELS, Table, Texts, attack_frame
from vitcrypt.report.records import Results
from vitcrypt.report.verdict import VERSIONS, judge

COUNTED = {"ciphertexts": "ciphertexts under one key", "known": "known pairs"}
BY_NUMBER = {
    "statistics": "ciphertexts",
    "jigsaw": "ciphertexts",
    "gan": "ciphertexts",
    "topology": "ciphertexts",
    "isometry": "ciphertexts",
    "propagation": "ciphertexts",
}
BY_NUMBER |= dict.fromkeys(("known_plaintext", "linear_map", "trilateration"), "known")
"""What an attack gains from more of; `fr` and `itn` go image by image, and what is chosen is chosen to suffice."""


def break_curve(results: Results) -> tuple[Table, list[str]]:
    """Return median SSIM by number of ciphertexts (attacks on these alone) or of known pairs, and what was left out.

    Several results of one number (other keys, other seeds, other options of the attack) are one cell: their median and
    quartiles.
    """
    curves, left_out = _curves(results)
    counts = sorted({count for curve in curves for count in curve["held"]})
    rows = []
    for curve in curves:
        first, cells = curve.iloc[0], curve.groupby("held")["restored"].apply(_cell)
        words = [first["attack"].replace("_", " "), COUNTED[first["counted"]]]
        rows.append([*first[LABELS], *words, *cells.reindex(counts, fill_value="")])
    columns = ["data", "scheme", "size / block", "attack", "number of", *map(str, counts)]
    notes = [
        "Median SSIM over the images of a result; of several results with one number, the median of these "
        "[lower to upper quartile], and how many they are.",
        VERSIONS,
        *(f"{_name(curve)}: no verdict from {_short(curve)}." for curve in curves if _short(curve)),
    ]
    return Table("Break curves (median SSIM)", Texts(rows, columns), notes, text=5), left_out


@literal
def draw_break_curve(results: Results, path: Path) -> Path:
    """Draw the break curves, with the span from the lowest lower to the highest upper quartile.

    Raises:
        ValueError: No attack was run with several numbers.
    """
    curves, _ = _curves(results)
    if not curves:
        raise ValueError("no attack was run with several numbers of ciphertexts or known pairs; see experiments/")
    panels = [counted for counted in COUNTED if any(curve["counted"].iloc[0] == counted for curve in curves)]
    figure = Figure(figsize=(6.2 * len(panels), 5), layout="constrained")
    for axis, counted in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        here = [curve for curve in curves if curve["counted"].iloc[0] == counted]
        for number, curve in enumerate(here):
            colour, size = f"C{curve['order'].iloc[0]}", number % 8
            points = curve.groupby("held").agg({"restored": "median", "lower": "min", "upper": "max"})
            axis.fill_between(points.index, points["lower"], points["upper"], alpha=0.12, color=colour, linewidth=0)
            style = {"marker": "osD^vP*X"[size], "markersize": 9 - size}  # curves on each other are still told apart
            axis.plot(points["restored"], color=colour, label=_name(curve), linewidth=1.5, **style)
        axis.set(xscale="log", xlabel=COUNTED[counted], ylabel="median SSIM (best versions)", ylim=(-0.1, 1.05))
        ticks = sorted({count for curve in here for count in curve["held"]})
        axis.set_xticks(ticks, [str(count) for count in ticks])
        axis.set_xticks([], minor=True)
        axis.grid(alpha=0.25)
        axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)
    return saved(figure, path, dpi=110)


def _cell(restored: "pd.Series[float]") -> str:
    """Return the median of results, and of several their quartiles and number."""
    low, median, high = restored.quantile([0.25, 0.5, 0.75])
    return f"{median:.3f}" + (f" [{low:.2f}-{high:.2f}], {len(restored)}" if len(restored) > 1 else "")


def _curves(results: Results) -> tuple[list[pd.DataFrame], list[str]]:
    """Return the attacks of each curve, and which have no second point."""
    found = attack_frame(results)
    found["counted"] = found["attack"].map(BY_NUMBER)
    curves = [curve for _, curve in found.groupby(["counted", *CASE, "attack"])]
    left_out = [f"{_name(curve)} was run with one number only" for curve in curves if curve["held"].nunique() < 2]
    return [curve for curve in curves if curve["held"].nunique() > 1], left_out


def _short(curve: pd.DataFrame) -> str:
    """Say which points of a curve are of an undertrained network."""
    held = [str(e.held) for e in curve.itertuples() if judge(e.result).word == "undertrained"]
    return f"{', '.join(sorted(set(held), key=int))} {curve['counted'].iloc[0]}, undertrained" if held else ""


def _name(curve: pd.DataFrame) -> str:
    first = curve.iloc[0]
    return f"{first['label']} {first['sizes']} on {first['data']}: {first['attack'].replace('_', ' ')}"
