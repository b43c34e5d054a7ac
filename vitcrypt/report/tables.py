"""Tables of results."""

import json
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from vitcrypt.report.paper import adaptation_of
from vitcrypt.report.results import trained

COLUMNS = {"data": "left", "encryption": "left", "model": "left", "seed": "right", "accuracy": "right"}
COLUMNS |= {"to plain": "right", "images": "right", "epochs": "right"}


def summary(results: list[dict[str, Any]]) -> Table:
    """Return a table of runs: test accuracy in percent, and its distance from the plain run of the same recipe."""
    results = trained(results)
    hardware = ", ".join(sorted({result["hardware"]["device"] for result in results}))
    table = Table(title="Test accuracy (%)", title_justify="left", caption=f"on {hardware}", box=SIMPLE_HEAD)
    for name, justify in COLUMNS.items():
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    plain = {_recipe(result): result["metrics"]["acc"] for result in results if _names(result)[1] == "plain"}
    for result in sorted(results, key=_names):
        accuracy, base = result["metrics"]["acc"], plain.get(_recipe(result))
        compared = base is not None and _names(result)[1] != "plain"
        table.add_row(
            *_names(result),
            str(result["config"]["seed"]),
            f"{100 * accuracy:.2f}",
            f"{100 * (accuracy - base):+.2f}" if compared and base is not None else "",
            str(result["metrics"]["images"]),
            str(result["training"]["epochs"]),
        )
    return table


def _names(result: dict[str, Any]) -> tuple[str, str, str]:
    names, adaptation = result["config"]["names"], adaptation_of(result)
    front = f" behind {adaptation}" if adaptation != "none" else ""
    return names["data"], names["encryption"], names["model"] + front


def _recipe(result: dict[str, Any]) -> str:
    """Return what a run has in common with its plain counterpart: all but encryption and learning rate."""
    config = result["config"]
    model = {name: value for name, value in config["model"].items() if name != "optimizer"}
    return json.dumps([config["data"], model, config["trainer"], config["seed"]], sort_keys=True, allow_nan=False)
