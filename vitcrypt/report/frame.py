"""Results as DataFrames with a row for each, and the tables of texts that are printed from them.

pandas, which takes longer to load than a table of runs to make, is loaded where a table needs it.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable

from vitcrypt.report.paper import data_of
from vitcrypt.report.recipe import recipe_of, told_apart
from vitcrypt.report.records import AttackResult, Results, TrainingResult
from vitcrypt.report.results import attacked, trained
from vitcrypt.untrusted.text import one_line

if TYPE_CHECKING:
    import pandas as pd

SCHEMES = ("plain", "le", "etc", "ele", "pe", "proposed")
CASE = ["data", "order", "scheme", "size", "block", "options"]
"""The columns that say what was trained on or attacked; sorted by them, schemes stand in the paper's order."""
LABELS = ["data", "label", "sizes"]
"""The same in words, for tables."""


class Texts(NamedTuple):
    """Rows of texts, and what stands above their columns."""

    rows: list[list[str]]
    columns: list[str]


@dataclass
class Table:
    """Texts under headings.

    Args:
        title: What it shows.
        frame: The texts.
        notes: Sentences below it.
        text: How many columns, from the left, hold text; the others hold numbers and are set to the right.
    """

    title: str
    frame: Texts
    notes: list[str] = field(default_factory=list)
    text: int = 1

    @property
    def columns(self) -> list[str]:
        """The headings."""
        return self.frame.columns

    @property
    def rows(self) -> list[list[str]]:
        """The texts of each row."""
        return self.frame.rows

    @property
    def shown(self) -> list[int]:
        """The numbers of the columns that say something in any row."""
        return [i for i in range(len(self.columns)) if not self.rows or any(row[i].strip("-") for row in self.rows)]

    def rich(self) -> RichTable:
        """Return it for the terminal, without columns that say nothing in any row."""
        caption = "\n".join(self.notes) or None
        table = RichTable(
            title=self.title, title_justify="left", caption=caption, caption_justify="left", box=SIMPLE_HEAD
        )
        shown = self.shown
        for i in shown:
            table.add_column(self.columns[i], justify="left" if i < self.text else "right", no_wrap=True)
        for row in self.rows:
            table.add_row(*(row[i] for i in shown))
        return table

    def markdown(self) -> str:
        """Return it as a Markdown table."""
        sides = ["left" if i < self.text else "right" for i in range(len(self.columns))]
        cells = self._pandas().map(lambda cell: cell.replace("|", r"\|"))
        table = cells.to_markdown(index=False, disable_numparse=True, colalign=sides if self.rows else None)
        return (
            f"**{self.title}**\n\n{table}\n" + "".join(f"\n- {note}" for note in self.notes) + "\n" * bool(self.notes)
        )

    def csv(self) -> str:
        """Return it as CSV, headings first, without title and notes."""
        return str(self._pandas().to_csv(index=False, lineterminator="\n"))

    def latex(self) -> str:
        """Return it as a LaTeX table; needs the package booktabs."""
        layout = "l" * self.text + "r" * (len(self.columns) - self.text)
        caption = re.sub(r"[#$%&_{}]", r"\\\g<0>", re.sub(r"[\\~^]", " ", one_line(self.title)))
        table = self._pandas().to_latex(index=False, escape=True, caption=caption, column_format=layout)
        return "".join(f"% {one_line(note, 10_000)}\n" for note in self.notes) + str(table)

    def _pandas(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self.rows, columns=self.columns, dtype=object)


def training_frame(results: Results) -> pd.DataFrame:
    """Return the trainings, their accuracy in percent, and `recipe`, which is equal for runs of one recipe."""
    import pandas as pd

    columns = [*CASE, "label", "sizes", "network", "model", "seed", "key", "accuracy", "leak_bits"]
    columns += ["recipe", "result"]
    return pd.DataFrame([_training(result) for result in trained(results)], columns=columns)


def attack_frame(results: Results) -> pd.DataFrame:
    """Return the attacks: median and quartiles of SSIM (the best version of each image), and how much they were given.

    `held` counts known pairs or chosen images where the attack uses them, and else ciphertexts.
    """
    import pandas as pd

    columns = [*CASE, "label", "sizes", "attack", "restored", "lower", "upper", "held", "result"]
    return pd.DataFrame(attack_rows(results), columns=columns)


def attack_rows(results: Results) -> list[dict[str, Any]]:
    """Return the rows of `attack_frame`."""
    return [_attack(result) for result in attacked(results)]


def summary(results: Results) -> Table:
    """Return a table of runs: test accuracy in percent, and its distance from the plain run of the same recipe."""
    runs = _runs(results)
    recipes = [_recipe_but_encryption(run["result"]) for run in runs]
    plain = {recipe: run["accuracy"] for recipe, run in zip(recipes, runs, strict=True) if run["scheme"] == "plain"}
    apart = _told_apart(runs)
    rows = []
    for run, recipe, differs in zip(runs, recipes, apart, strict=True):
        compared = run["scheme"] != "plain" and recipe in plain
        row = [run["data"], run["scheme"], run["network"], str(run["seed"]), f"{run['accuracy']:.2f}"]
        row += [f"{run['accuracy'] - plain[recipe]:+.2f}" if compared else ""]
        row += [str(run["result"].metrics.images), str(run["result"].training.epochs)]
        rows.append([*row, differs] if any(apart) else row)
    columns = ["data", "encryption", "model", "seed", "accuracy", "to plain", "images", "epochs"]
    columns += ["differs in"] if any(apart) else []
    hardware = sorted({run["result"].hardware.device for run in runs})
    return Table("Test accuracy (%)", Texts(rows, columns), [f"on {', '.join(hardware)}"], text=3)


def in_order_of_the_table(results: Results) -> list[TrainingResult]:
    """Return the trainings in the order in which `summary` shows them."""
    return [run["result"] for run in _runs(results)]


def told_apart_runs(results: Results) -> list[str]:
    """Return for each training, in the order of the table, what sets it apart from runs of equal names."""
    return _told_apart(_runs(results))


def ciphers(frame: pd.DataFrame) -> list[str]:
    """Return a line for each scheme whose results on one data set are of several ciphers: other sizes or blocks."""
    told = []
    for (data, scheme), same in frame[frame["scheme"] != "plain"].groupby(["data", "scheme"]):
        if same["sizes"].nunique() > 1:
            each = [f"{', '.join(sorted(set(part['network'])))} at {sizes}" for sizes, part in same.groupby("sizes")]
            told.append(f"{scheme} on {data}: not one cipher; {'; '.join(each)} (size / block). Do not compare these.")
    return told


def _runs(results: Results) -> list[dict[str, Any]]:
    runs = [_training(result) for result in trained(results)]
    return sorted(runs, key=lambda run: (run["data"], run["scheme"], run["network"]))


def _told_apart(runs: list[dict[str, Any]]) -> list[str]:
    """Return for each run in a few words what differs between it and the runs of equal names; "" if it is alone."""
    told, alike = [""] * len(runs), defaultdict[tuple[Any, ...], list[int]](list)
    for number, run in enumerate(runs):
        alike[run["data"], run["label"], run["network"], run["seed"]].append(number)
    for same in alike.values():
        recipes = [json.loads(runs[number]["recipe"]) | {"key": runs[number]["key"]} for number in same]
        for number, words in zip(same, told_apart(recipes), strict=True):
            told[number] = words
    return told


def _case(result: TrainingResult | AttackResult) -> dict[str, Any]:
    config, scheme = result.config, result.config.names.encryption
    size, block = config.image_size, config.block_size
    options = ["signs only"] if (config.encryption or {}).get("channel_shuffle") is False else []
    if config.key_scope == "per_image" and scheme != "plain":
        options += [f"keys={config.keys}" if config.keys else "a key each"]
    return {
        "data": data_of(result),
        "order": SCHEMES.index(scheme) if scheme in SCHEMES else len(SCHEMES),
        "scheme": scheme,
        "size": size,
        "block": block,
        "options": ", ".join(options),
        "label": ", ".join([scheme, *options]),
        "sizes": f"{size} / {block}" if block > 1 else str(size),
    }


def _training(result: TrainingResult) -> dict[str, Any]:
    names, adaptation = result.config.names, result.config.model.adaptation
    return {
        **_case(result),
        "network": names.model + (f" behind {adaptation}" if adaptation != "none" else ""),
        "model": names.model,
        "seed": result.config.seed,
        "key": result.key.fingerprint or "",
        "accuracy": 100 * result.metrics.acc,
        "leak_bits": (result.key.bounds or {}).get("leakage_bits"),
        "recipe": json.dumps(recipe_of(result), sort_keys=True, allow_nan=False),
        "result": result,
    }


def _attack(result: AttackResult) -> dict[str, Any]:
    attack, observed, ssim = result.config.names.attack, result.config.attack.observation, result.metrics.restored.best
    held = {"known_plaintext": observed.known, "chosen_plaintext": result.details.queries}
    return {
        **_case(result),
        "attack": attack,
        "restored": ssim.median,
        "lower": ssim.lower,
        "upper": ssim.upper,
        "held": held.get(attack, observed.ciphertexts),
        "result": result,
    }


def _recipe_but_encryption(result: TrainingResult) -> str:
    """Return what a run has in common with its plain counterpart: all but encryption and learning rate."""
    config = result.config
    model = {name: value for name, value in config.model.values().items() if name != "optimizer"}
    return json.dumps([config.data.values(), model, config.trainer, config.seed], sort_keys=True, allow_nan=False)
