"""What an encryption is worth in two numbers: test accuracy on it, and the most that any attack restored of it."""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vitcrypt.report.figures import literal, saved
from vitcrypt.report.recipe import Recipe, recipe_of, told_apart
from vitcrypt.report.results import AttackResult, Results, attacked, trained
from vitcrypt.report.security import BROKEN, CIPHERTEXT_ONLY, ORDER, PAPER, RULE, Case, by_attack, case_of
from vitcrypt.report.security import restored as median_ssim
from vitcrypt.report.security import worst as worst_verdict
from vitcrypt.report.sheet import Sheet

COLUMNS = ["data", "scheme", "size / block", "network", "accuracy", "runs", "ciphertext-only", "by", "any attack"]
COLUMNS += ["by", "verdict", "paper"]
SYMBOLS = {"x": "\N{BALLOT X}", "check": "\N{CHECK MARK}"}
MARKERS = "osD^vP*X"


@dataclass(frozen=True)
class Point:
    """A network on a scheme that was trained, by one recipe, as well as attacked.

    `variant` says what sets its recipe apart from others of the same network and case.
    """

    case: Case
    network: str
    variant: str
    accuracies: list[float]
    attacks: dict[str, AttackResult]

    @property
    def label(self) -> str:
        """The network, and what sets its recipe apart."""
        return f"{self.network} ({self.variant})" if self.variant else self.network

    @property
    def accuracy(self) -> float:
        """Mean test accuracy in percent."""
        return 100 * mean(self.accuracies)

    def worst(self, *, alone: bool) -> tuple[float, str] | None:
        """Return the largest median SSIM and its attack, of those on ciphertexts `alone` or of all; None: none ran."""
        found = [(median_ssim(r), n) for n, r in self.attacks.items() if n in CIPHERTEXT_ONLY or not alone]
        return max(found, default=None)


def tradeoff(results: Results) -> tuple[Sheet, list[Point], list[str]]:
    """Bring trainings and attacks together where data, scheme, its options and the sizes are the same.

    Returns:
        The table, the points of the scatter, and what was left out and why.
    """
    cases, runs = by_attack(results), _accuracies(results)
    points = [
        Point(case, network, variant, accuracies, cases[case])
        for (case, network, variant), accuracies in runs
        if case in cases
    ]
    untried = {(case, network) for (case, network, _), _ in runs if case not in cases}
    left_out = [
        f"{network} on {_told(case)}: trained, but no attack on it is among the results"
        for case, network in untried
        if case.scheme not in ("plain", "none")
    ]
    met = {case for (case, _, _), _ in runs}
    left_out += [f"{_told(case)}: attacked, but no training on it is among the results" for case in cases.keys() - met]
    notes = [
        "accuracy: of the test images in percent after the last epoch, mean over the runs of a network by one recipe.",
        "ciphertext-only, any attack: the largest median SSIM over the attacks that were run. Others may restore more.",
        *RULE,
        f"{len(attacked(results))} attacks and {len(trained(results))} trainings read, {len(points)} points.",
    ]
    rows = [_row(point) for point in points]
    return Sheet("Accuracy against worst restoration", COLUMNS, rows, notes, text=4), points, sorted(left_out)


def _accuracies(results: Results) -> list[tuple[tuple[Case, str, str], list[float]]]:
    """Return the accuracies of the runs of each case, network and recipe; the last by what sets it apart."""
    found: dict[tuple[Case, str], list[tuple[Recipe, list[float]]]] = {}
    for result in trained(results):
        recipe, adaptation = recipe_of(result), result.config.model.adaptation
        front = "" if adaptation == "none" else f" behind {adaptation}"
        groups = found.setdefault((case_of(result), result.config.names.model + front), [])
        same = next((accuracies for other, accuracies in groups if other == recipe), None)
        if same is None:
            groups.append((recipe, same := []))
        same.append(result.metrics.acc)
    told = [
        ((case, network, variant), accuracies)
        for (case, network), groups in found.items()
        for variant, (_, accuracies) in zip(told_apart(recipe for recipe, _ in groups), groups, strict=True)
    ]
    return sorted(told, key=lambda entry: (entry[0][0].place, *entry[0][1:]))


def _told(case: Case) -> str:
    return f"{case.label}, {case.data}, {case.sizes}"


def _row(point: Point) -> list[str]:
    measured = [word for alone in (True, False) for word in _most(point.worst(alone=alone))]
    case, seen = point.case, worst_verdict(point.attacks.values())
    runs, symbol = str(len(point.accuracies)), PAPER.get(case.scheme, "")
    return [case.data, case.label, case.sizes, point.label, f"{point.accuracy:.2f}", runs, *measured, seen, symbol]


def _most(found: tuple[float, str] | None) -> list[str]:
    return [f"{found[0]:.3f}", found[1].replace("_", " ")] if found else ["", ""]


@literal
def draw_tradeoff(results: Results, points: list[Point], path: Path) -> Path:
    """Draw the scatter, one panel for each data set: full marks for attacks on ciphertexts alone, hollow for all.

    Raises:
        ValueError: There is no point.
    """
    if not points:
        raise ValueError("no scheme was both trained on and attacked; vitcrypt run and vitcrypt attack write results")
    sets = sorted({point.case.data for point in points})
    figure = Figure(figsize=(8.5, 4.2 * len(sets)), layout="constrained")
    for axis, data in zip(figure.subplots(len(sets), 1, squeeze=False)[:, 0], sets, strict=True):
        here = [point for point in points if point.case.data == data]
        _panel(axis, here)
        _plain(axis, results, data, {point.network for point in here})
        axis.axhline(BROKEN, color="grey", linewidth=0.6)
        axis.set(xlabel=f"test accuracy on {data} (%)", ylabel="worst restoration (median SSIM)", ylim=(-0.1, 1.08))
        axis.grid(alpha=0.25)
        axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return saved(figure, path, dpi=110)


def _plain(axis: Axes, results: Results, data: str, networks: set[str]) -> None:
    """Mark what the same networks reach on plain images."""
    of_plain = [
        (f"{network} ({variant})" if variant else network, accuracies)
        for (case, network, variant), accuracies in _accuracies(results)
        if case.data == data and case.scheme == "plain" and network in networks
    ]
    for number, (network, accuracies) in enumerate(of_plain):
        place = 100 * mean(accuracies)
        axis.axvline(place, color="grey", linestyle=":", linewidth=1)
        height = 0.1 + 0.25 * (number % 3)  # so that the words of close lines do not lie on each other
        axis.annotate(f"plain, {network}", (place, height), rotation=90, fontsize=8, color="grey")


def _panel(axis: Axes, points: list[Point]) -> None:
    networks = sorted({point.network for point in points})
    for point in points:
        place = ORDER.index(point.case.scheme) if point.case.scheme in ORDER else len(ORDER)
        colour, marker = f"C{place}", MARKERS[networks.index(point.network) % len(MARKERS)]
        alone, every = (point.worst(alone=alone) for alone in (True, False))
        heights = [found[0] for found in (alone, every) if found]
        axis.plot([point.accuracy] * len(heights), heights, color=colour, linewidth=1, alpha=0.5)
        if every:
            axis.plot(point.accuracy, every[0], marker, color=colour, markerfacecolor="white", markersize=11)
        symbol = PAPER.get(point.case.scheme, "")
        label = f"{point.case.label} ({point.case.sizes}), {point.label}\npaper {SYMBOLS.get(symbol, symbol)}"
        label += f", here {worst_verdict(point.attacks.values())}"
        if alone:
            axis.plot(point.accuracy, alone[0], marker, color=colour, markersize=6, label=label, linestyle="none")
        else:
            axis.plot([], [], marker, color=colour, markerfacecolor="white", label=label, linestyle="none")
    axis.set_title("full: by attacks on ciphertexts alone; hollow: by any attack that was run", fontsize=9)
