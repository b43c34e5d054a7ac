"""Break curves: what is restored, against the number of ciphertexts or of known pairs that the attacker holds."""

from pathlib import Path
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vitcrypt.report.figures import literal, saved
from vitcrypt.report.results import AttackResult, Results, attacked
from vitcrypt.report.security import ORDER, Case, case_of, restored
from vitcrypt.report.sheet import Sheet

COUNTED = {"ciphertexts": "ciphertexts under one key", "known": "known pairs"}
BY_NUMBER = {"statistics": "ciphertexts", "jigsaw": "ciphertexts", "gan": "ciphertexts", "known_plaintext": "known"}
"""What an attack gains from more of; `fr` and `itn` go image by image, and what is chosen is chosen to suffice."""
Line = tuple[str, Case, str]
"""What is counted, on what, by which attack."""


def robustness(results: Results) -> tuple[Sheet, list[str]]:
    """Return median SSIM by number of ciphertexts (attacks on these alone) or of known pairs, and what was left out.

    Several results of one number (other keys, other seeds, other options of the attack) are one cell: their median.
    """
    curves, left_out = _curves(results)
    counts = sorted({count for curve in curves.values() for count in curve})
    rows = []
    for (counted, case, attack), curve in curves.items():
        cells = [f"{median(map(restored, curve[c])):.3f}" if c in curve else "" for c in counts]
        rows.append([case.data, case.label, case.sizes, attack.replace("_", " "), COUNTED[counted], *cells])
    columns = ["data", "scheme", "size / block", "attack", "number of", *map(str, counts)]
    notes = [
        "Median SSIM over the images of a result; of several results with one number, the median of these.",
        "A mirrored image counts as it is: statistics cannot tell left from right where blocks move.",
    ]
    return Sheet("Break curves (median SSIM)", columns, rows, notes, text=5), left_out


@literal
def draw_robustness(results: Results, path: Path) -> Path:
    """Draw the break curves, with the span from the lowest lower to the highest upper quartile.

    Raises:
        ValueError: No attack was run with several numbers.
    """
    curves, _ = _curves(results)
    if not curves:
        raise ValueError("no attack was run with several numbers of ciphertexts or known pairs; see experiments/")
    panels = [counted for counted in COUNTED if any(line[0] == counted for line in curves)]
    figure = Figure(figsize=(6.2 * len(panels), 5), layout="constrained")
    for axis, counted in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        lines = {line: curve for line, curve in curves.items() if line[0] == counted}
        for number, (line, curve) in enumerate(lines.items()):
            _draw(axis, curve, line, number)
        axis.set(xscale="log", xlabel=COUNTED[counted], ylabel="median SSIM", ylim=(-0.1, 1.05))
        ticks = sorted({count for curve in lines.values() for count in curve})
        axis.set_xticks(ticks, [str(count) for count in ticks])
        axis.set_xticks([], minor=True)
        axis.grid(alpha=0.25)
        axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)
    return saved(figure, path, dpi=110)


def _draw(axis: Axes, curve: dict[int, list[AttackResult]], line: Line, number: int) -> None:
    scheme = line[1].scheme
    colour = f"C{ORDER.index(scheme) if scheme in ORDER else len(ORDER)}"
    counts = sorted(curve)
    spread = [[r.metrics.restored.ssim for r in curve[count]] for count in counts]
    lower = [min(quartiles.lower for quartiles in each) for each in spread]
    upper = [max(quartiles.upper for quartiles in each) for each in spread]
    axis.fill_between(counts, lower, upper, alpha=0.12, color=colour, linewidth=0)
    marker = "osD^vP*X"[number % 8]  # curves that lie on each other are still told apart
    middle = [median(map(restored, curve[count])) for count in counts]
    axis.plot(counts, middle, marker=marker, color=colour, label=_told(line), linewidth=1.5, markersize=9 - number % 8)


def _curves(results: Results) -> tuple[dict[Line, dict[int, list[AttackResult]]], list[str]]:
    found: dict[Line, dict[int, list[AttackResult]]] = {}
    for result in attacked(results):
        attack = result.config.names.attack
        if attack not in BY_NUMBER:
            continue
        counted = BY_NUMBER[attack]
        line = counted, case_of(result), attack
        observed = result.config.attack.observation
        held = observed.known if counted == "known" else observed.ciphertexts
        found.setdefault(line, {}).setdefault(held, []).append(result)
    lines = sorted(found, key=lambda line: (line[0], line[1].place, line[2]))
    left_out = [f"{_told(line)} was run with one number only" for line in lines if len(found[line]) < 2]
    return {line: found[line] for line in lines if len(found[line]) > 1}, left_out


def _told(line: Line) -> str:
    _, case, attack = line
    return f"{case.label} {case.sizes} on {case.data}: {attack.replace('_', ' ')}"
