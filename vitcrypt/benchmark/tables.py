"""Claims as tables, for the terminal and for the page: an overview by scheme, and a row for each claim."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby

import pandas as pd

from vitcrypt.benchmark.cases import SURVIVED, Case, cases
from vitcrypt.benchmark.claim import Claim, Published, Result, Spread, Values
from vitcrypt.report.frame import Table, Texts
from vitcrypt.report.verdict import WORDS

NOTES = (
    "measured: by a command of vitcrypt that every number leads to. published: said by others, with its place. The two "
    "stand in columns of their own, as networks, images and budgets differ.",
    "accuracy: the highest of the networks, after the last epoch; plain: of the same network on as many plain images.",
    "attacks: of all runs the worst for the owner, by verdict, then by median SSIM (of each image the best of its "
    "mirrored, turned, negated and recoloured versions), then by how little the attacker held, which stands beside it.",
    "linkage: the share of ciphertexts whose own image is the nearest in a gallery; the highest over kinds of copies. "
    "What links ciphertexts under a key each links those under one key too.",
    f"{SURVIVED}: says nothing about other attacks or larger budgets. not attacked here: nothing was run.",
)
DIGITS = {"%": 2, "": 3, "bits": 1, "dB": 2}


@dataclass(frozen=True)
class Column:
    """A heading, and whose numbers stand below it: "measured", "published" or of neither."""

    name: str
    side: str = ""
    right: bool = False

    @property
    def classes(self) -> str:
        """Its style on the page."""
        return " ".join(filter(None, [self.side, "n" * self.right, "first" * (self.name == "scheme")]))


@dataclass(frozen=True)
class Cell:
    """A text, in small what it is of, the claim it leads to, and the number it is sorted by."""

    text: str = ""
    small: str = ""
    claim: Claim | None = None
    sort: float | None = None


@dataclass(frozen=True)
class Row:
    """Cells, and by which choices of a reader they are shown: of each kind none (always) or some."""

    cells: list[Cell]
    tags: dict[str, set[str]]


@dataclass(frozen=True)
class Grid:
    """A table whose numbers lead to claims."""

    title: str
    columns: list[Column]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Sides in the order of the columns, and how many columns stand below each."""
        return [(side, len(list(same))) for side, same in groupby(column.side for column in self.columns)]

    def without_empty(self) -> "Grid":
        """Return it without columns that say nothing."""
        kept = [i for i in range(len(self.columns)) if any(row.cells[i].text for row in self.rows)]
        rows = [Row([row.cells[i] for i in kept], row.tags) for row in self.rows]
        return Grid(self.title, [self.columns[i] for i in kept], rows, self.notes)

    def table(self) -> Table:
        """Return its texts."""
        rows = [[f"{cell.text} ({cell.small})" if cell.small else cell.text for cell in row.cells] for row in self.rows]
        titles = [f"{column.name} ({column.side})" if column.side else column.name for column in self.columns]
        return Table(self.title, Texts(rows, titles), self.notes, text=titles.index(titles[self.groups[0][1]]))


def grids(claims: list[Claim]) -> list[Grid]:
    """Return all tables that there are claims for."""
    kinds = {
        "accuracy": ("Accuracies", "network"),
        "attack": ("Attacks", "attack"),
        "linkage": ("Linkage", "attack"),
        "keyspace": ("Key spaces", "by"),
    }
    each = [_each([claim for claim in claims if claim.kind == kind], *words) for kind, words in kinds.items()]
    return [grid.without_empty() for grid in (overview(claims), *each) if grid.rows]


def flat(claims: list[Claim]) -> Table:
    """Return a row for each claim and a column for each field."""
    rows = pd.json_normalize([claim.model_dump(exclude_defaults=True) for claim in claims]).fillna("").map(str)
    return Table("Claims", Texts(rows.to_numpy().tolist(), list(rows.columns)), text=len(rows.columns))


def overview(claims: list[Claim]) -> Grid:
    """Return a row for each scheme, data set, size and key scope, measured and published side by side."""
    names = {
        "measured": ["accuracy", "plain", "ciphertexts only", "other attacks", "linkage", "log2 of keys"],
        "published": ["accuracy", "attack", "linkage"],
    }
    columns = [Column("scheme"), Column("data"), Column("keys"), Column("verdict", "measured")]
    columns += [Column(name, side, right=True) for side in names for name in names[side]]
    return Grid("Schemes", columns, [_overview_row(case) for case in cases(claims)], [*NOTES])


BRIEF = ("scheme", "data", "keys", "verdict", "accuracy", "plain", "ciphertexts only", "linkage")


def brief(claims: list[Claim]) -> Grid:
    """Return of the overview what fits a page: schemes that were attacked here, and the published accuracy beside.

    Those whose accuracy nobody measured on these data, or that only linkage was tried on, are counted in a note.
    """
    whole = overview(claims)
    named = list(enumerate(whole.columns))
    kept = [i for i, c in named if c.name in BRIEF and (c.side != "published" or c.name == "accuracy")]
    found = cases(claims)
    complete = [bool(case.restored) and any(claim.kind == "accuracy" for claim in case.claims) for case in found]
    shown = [row for row, whether in zip(whole.rows, complete, strict=True) if whether]
    linked = [case for case in found if case.linked and not case.restored]
    attacked = [case for case, whether in zip(found, complete, strict=True) if case.restored and not whether]
    others = (("that only linkage was tried on", linked), ("of data without an accuracy", attacked))
    told = [f"{len(few)} more {what} ({_counted(few)})" for what, few in others if few]
    notes = [f"not shown: {', '.join(told)}."] if told else []
    rows = [Row([row.cells[i] for i in kept], row.tags) for row in shown]
    return Grid("Schemes attacked here", [whole.columns[i] for i in kept], rows, notes).without_empty()


def _counted(found: list[Case]) -> str:
    verdicts = [case.verdict for case in found]
    return ", ".join(f"{verdicts.count(word)} {word}" for word in sorted(set(verdicts)))


def _overview_row(case: Case) -> Row:
    alone = [claim for claim in case.restored if claim.holds == "ciphertexts only"]
    others = [claim for claim in case.restored if claim.holds != "ciphertexts only"]
    ours = [
        number(case.accuracy, lambda claim: claim.by),
        number(case.plain, lambda claim: claim.by),
        number(alone[0] if alone else None, _attack_words),
        number(others[0] if others else None, _attack_words),
        number(case.linked[0] if case.linked else None, lambda claim: claim.copies),
        number(case.keys),
    ]
    said = sorted((claim for claim in case.claims if claim.published and claim.result), key=_highest)
    theirs = [
        number(next((claim for claim in said if claim.kind == kind), None), lambda c: f"{_metric(c)}{c.by}")
        for kind in ("accuracy", "attack", "linkage")
    ]
    shown = tags([*case.claims, *case.linked]) | {"scope": {case.first.key_scope}}
    return Row([*_what(case.first), Cell(case.verdict), *ours, *theirs], shown)


def _each(claims: list[Claim], title: str, by: str) -> Grid:
    """Return a row for each claim."""
    columns = [Column("scheme"), Column("data"), Column("keys"), Column(by), Column("attacker holds"), Column("copies")]
    columns += [Column(name, "measured", right=True) for name in ("value", "range", "floor")]
    columns += [
        Column("verdict", "measured"),
        Column("images", "measured", True),
        Column("seeds, keys", "measured", True),
    ]
    columns += [Column("value", "published", True), Column("range", "published", True), Column("source", "published")]
    ordered = sorted(claims, key=lambda c: (c.published, c.scheme.name, c.on, c.size or 0, c.by, c.copies, c.held))
    return Grid(title, columns, [_claim_row(claim) for claim in ordered])


def _claim_row(claim: Claim) -> Row:
    result, said = claim.number, claim.said
    value = number(claim, lambda claim: claim.number.metric)
    spread = Cell(_range(result.spread[0], result), result.spread[0].kind, claim) if result.spread else Cell()
    held = Cell(claim.holds, f"{claim.held:,}" if claim.held else "", sort=claim.held or None)
    gallery = claim.threat_model.gallery if claim.threat_model else 0
    start = [*_what(claim), Cell(claim.by), held, Cell(claim.copies, f"of {gallery:,}" if gallery else "")]
    if isinstance(said, Published):
        return Row([*start, *[Cell()] * 6, value, spread, Cell(said.source, said.place, claim)], tags([claim]))
    floor, runs = result.floor, f"{claim.seeds or 1}, {claim.keys or 'none'}"
    cells = [
        value,
        spread,
        Cell(_shown(floor.value, result), floor.name, claim, floor.value) if floor else Cell(),
        Cell(min(result.verdicts, key=WORDS.index, default=""), _in_how_many(result)),
        Cell(f"{claim.n:,}", "", claim, claim.n) if claim.n else Cell(),
        Cell(runs if claim.n else "", "", claim),
    ]
    return Row([*start, *cells, *[Cell()] * 3], tags([claim]))


def number(claim: Claim | None, small: Callable[[Claim], str] = lambda _: "") -> Cell:
    """Return the number of a claim as a cell that leads to it."""
    if claim is None:
        return Cell()
    return Cell(_shown(claim.number.value, claim.number), small(claim), claim, claim.number.value)


def tags(claims: Iterable[Claim]) -> dict[str, set[str]]:
    """Return by what claims are found: data set, family, key scope, threat model, who says it."""
    found = list(claims)
    return {
        "data": {claim.on for claim in found if claim.data and claim.kind != "keyspace"},
        "family": {claim.scheme.family for claim in found},
        "scope": {claim.key_scope for claim in found if claim.kind != "keyspace"},
        "threat": {claim.holds for claim in found if claim.threat_model},
        "said": {claim.said.by for claim in found},
    }


def options_words(values: Values) -> str:
    """Return options as words: block size 4, no channel shuffle."""
    told = [name if v is True else f"no {name}" if v is False else f"{name} {v}" for name, v in values.items()]
    return ", ".join(told).replace("_", " ")


def _what(claim: Claim) -> list[Cell]:
    """Return scheme, data set and key scope; of an absent scheme, why it is."""
    options = ", ".join(filter(None, [str(claim.size or ""), options_words(claim.scheme.values)]))
    absent = claim if claim.kind == "absent" else None
    scheme = Cell(claim.scheme.name, absent.notes[0] if absent else options, absent)
    return [scheme, Cell(claim.on), Cell(claim.key_scope.replace("_", " "))]


def _shown(value: float, result: Result) -> str:
    return f"{value:,.{DIGITS[result.unit]}f}{' %' * (result.unit == '%')}"


def _range(spread: Spread, result: Result) -> str:
    digits = DIGITS[result.unit]
    return f"{spread.lower:.{digits}f} to {spread.upper:.{digits}f}"


def _highest(claim: Claim) -> tuple[bool, float]:
    """Sort numbers of others with the highest first, those that are no SSIM or share last."""
    return not ("SSIM" in claim.number.metric or claim.number.unit == "%"), -claim.number.value


def _metric(claim: Claim) -> str:
    return f"{claim.number.metric}, " if claim.kind == "attack" else ""


def _attack_words(claim: Claim) -> str:
    return f"{claim.by}, {claim.held:,}" if claim.held else claim.by


def _in_how_many(result: Result) -> str:
    """Say in how many of several runs the verdict was the worst of them."""
    total, word = sum(result.verdicts.values()), min(result.verdicts, key=WORDS.index, default=None)
    return f"{result.verdicts[word]} of {total} runs" if word and total > 1 else ""
