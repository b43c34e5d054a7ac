"""Pictures of claims as places in an SVG: accuracy against attack and against linkage, and break curves."""

import math
from dataclasses import dataclass, field

from vitcrypt.benchmark.cases import Case, cases, scheme_of
from vitcrypt.benchmark.claim import SSIM, Claim
from vitcrypt.benchmark.tables import number, tags

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 330, 48, 14, 14, 46
COLOURS, DASHES = 8, 3
"""How many the page has; schemes beyond these begin again."""
LETTER, LINE = 8.3, 16
"""Width of a letter and height of a line of a label, as large as narrow windows show them."""
Tags = dict[str, set[str]]


@dataclass
class Point:
    """A mark that leads to a claim; `low` is the other end of a line through it, `label` lies at (lx, ly)."""

    x: float
    y: float
    claim: Claim
    words: str
    tags: Tags
    colour: int
    label: str = ""
    low: float | None = None
    lx: float = 0
    ly: float = 0
    anchor: str = "start"


@dataclass
class Series:
    """A curve with a band around it."""

    name: str
    colour: int
    dash: int
    tags: Tags
    points: list[Point] = field(default_factory=list)
    upper: list[str] = field(default_factory=list)
    lower: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """Its points, as SVG has them."""
        return " ".join(f"{point.x},{point.y}" for point in self.points)

    @property
    def band(self) -> str:
        """The outline of its band."""
        return " ".join([*self.upper, *reversed(self.lower)])


@dataclass
class Chart:
    """A picture with its axes: ticks are (place, text)."""

    title: str
    x_title: str
    y_title: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    note: str
    points: list[Point] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)


def charts(claims: list[Claim]) -> list[Chart]:
    """Return all pictures that there are claims for."""
    names = sorted({claim.scheme.name for claim in claims if not claim.published})
    colours = {name: number % COLOURS for number, name in enumerate(names)}
    found = [case for case in cases(claims) if case.accuracy and case.plain]
    made = []
    for data in sorted({case.first.on for case in found}):
        here = [case for case in found if case.first.on == data]
        attacked = [(case, case.restored) for case in here if case.restored]
        linked = [(case, case.linked) for case in here if case.linked]
        made += [_pareto(f"{data}: accuracy against the best attack", attacked, False, colours)] if attacked else []
        made += [_pareto(f"{data}: accuracy against linkage", linked, True, colours)] if linked else []
    return [*made, *_break_curves(claims, colours)]


def _pareto(title: str, drawn: list[tuple[Case, list[Claim]]], linkage: bool, colours: dict[str, int]) -> Chart:
    """Draw accuracy less that on plain images against the first, the worst, of the attacks on each case."""
    lost = [_lost(case) for case, _ in drawn]
    low, high, top = math.floor(min(lost) - 1), math.ceil(max(lost) + 1), 100 if linkage else 1
    note = "Right and low is good for the owner; dashed: no other scheme is better in both."
    chart = Chart(
        title,
        "test accuracy, points from the same network on plain images",
        "top-1 of the best linkage (%)" if linkage else "median SSIM of the best attack",
        [(_x((x - low) / (high - low)), f"{x:+d}") for x in range(low, high + 1, max(1, (high - low) // 5))],
        [(_y(part / 5), f"{top * part / 5:g}") for part in range(6)],
        note + " Lines lead down to the copies that link worst." * linkage,
    )
    for (case, against), x in zip(drawn, lost, strict=True):
        worst, name = against[0], case.first.scheme.name
        words = f"{name}: accuracy {number(case.accuracy).text}, plain {number(case.plain).text}, "
        words += f"{worst.number.metric} {number(worst).text} by {worst.by}"
        shown = tags([*case.claims, *against]) | {"scope": {case.first.key_scope}}
        place = _x((x - low) / (high - low)), _y(worst.number.value / top)
        point = Point(*place, worst, words, shown, colours[name], label=name)
        point.low = _y(min(claim.number.value for claim in against) / top) if linkage else None
        chart.points.append(point)
    _place_labels(chart.points)
    return chart


def _lost(case: Case) -> float:
    """Return accuracy less that of the same network on plain images, in points."""
    if case.accuracy is None or case.plain is None:
        raise ValueError(f"{case.first.path}: no accuracy beside that of plain images")
    return case.accuracy.number.value - case.plain.number.value


def _break_curves(claims: list[Claim], colours: dict[str, int]) -> list[Chart]:
    """Draw median SSIM by how much the attacker holds, a picture for each kind of what they hold."""
    curves: dict[tuple[str, ...], list[Claim]] = {}
    for claim in claims:
        if claim.kind == "attack" and not claim.published and claim.number.metric == SSIM and claim.held:
            curves.setdefault((claim.holds, *scheme_of(claim), claim.key_scope, claim.on, claim.by), []).append(claim)
    whole = [same for _, same in sorted(curves.items()) if len({claim.held for claim in same}) > 1]
    kinds = sorted({same[0].holds for same in whole})
    return [_break_curve(kind, [same for same in whole if same[0].holds == kind], colours) for kind in kinds]


def _break_curve(holds: str, curves: list[list[Claim]], colours: dict[str, int]) -> Chart:
    counts = sorted({claim.held for same in curves for claim in same})
    span = math.log(counts[-1] / counts[0])

    def place(count: int) -> float:
        return _x(math.log(count / counts[0]) / span)

    what = {"ciphertexts only": "ciphertexts under one key", "weights": "ciphertexts beside the weights"}.get(
        holds, holds
    )
    y_ticks = [(_y(part / 5), f"{part / 5:g}") for part in range(6)]
    chart = Chart(
        f"Break curves: {holds}",
        what,
        "median SSIM",
        _apart([(place(count), str(count)) for count in counts]),
        y_ticks,
        "Median, and its quartiles over runs, or over images of one run.",
    )
    drawn: list[str] = []
    for same in curves:
        first = same[0]
        name = f"{first.scheme.name} by {first.by} ({first.on}, {first.size})"
        dash = drawn.count(first.scheme.name) % DASHES
        drawn.append(first.scheme.name)
        series = Series(name, colours[first.scheme.name], dash, tags(same))
        for claim in sorted(same, key=lambda claim: claim.held):
            x, words = place(claim.held), f"{name}, {claim.held:,}: {number(claim).text}"
            series.points.append(Point(x, _y(claim.number.value), claim, words, tags([claim]), series.colour))
            for spread in claim.number.spread[:1]:
                series.upper.append(f"{x},{_y(spread.upper)}")
                series.lower.append(f"{x},{_y(spread.lower)}")
        chart.series.append(series)
    return chart


def _apart(ticks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return those ticks of which the texts do not touch."""
    kept = ticks[:1]
    for x, text in ticks[1:]:
        if x - kept[-1][0] > LETTER * (len(text) + len(kept[-1][1])) / 2 + 4:
            kept.append((x, text))
    return kept


def _place_labels(points: list[Point]) -> None:
    """Put each label beside its mark or else below it, at the nearest place on either side that nothing else takes."""
    taken = [(point.x - 6, point.x + 6, point.y + 4) for point in points]
    for point in sorted(points, key=lambda point: (point.y, -point.x)):
        width = LETTER * len(point.label)
        places = [(point.x + 9, point.y + 4 + down) for down in range(0, HEIGHT, 4)]
        places += [(point.x - 9 - width, y) for _, y in places]
        inside = [(x, y) for x, y in places if x >= LEFT and x + width <= WIDTH - 4 and y < HEIGHT - BOTTOM]
        free = [(x, y) for x, y in inside if not any(_touch((x, x + width, y), other) for other in taken)]
        x, y = min(free or inside or places[:1], key=lambda place: place[1])
        point.anchor, point.lx, point.ly = ("start", x, y) if x > point.x else ("end", x + width, y)
        taken.append((x, x + width, y))


def _touch(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    """Say whether two texts, from where to where and at which height, lie on each other."""
    return abs(one[2] - other[2]) < LINE and one[0] < other[1] and other[0] < one[1]


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - min(max(share, -0.05), 1.02) * (HEIGHT - TOP - BOTTOM), 1)
