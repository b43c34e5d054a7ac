"""Tables of results."""

import json

from rich.box import SIMPLE_HEAD
from rich.table import Table

from vitcrypt.report.results import Results, TrainingResult, trained

COLUMNS = {"data": "left", "encryption": "left", "model": "left", "seed": "right", "accuracy": "right"}
COLUMNS |= {"to plain": "right", "images": "right", "epochs": "right"}


def summary(results: Results) -> Table:
    """Return a table of runs: test accuracy in percent, and its distance from the plain run of the same recipe."""
    runs = trained(results)
    hardware = ", ".join(sorted({run.hardware.device for run in runs}))
    table = Table(title="Test accuracy (%)", title_justify="left", caption=f"on {hardware}", box=SIMPLE_HEAD)
    for name, justify in COLUMNS.items():
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    plain = {_recipe(run): run.metrics.acc for run in runs if _names(run)[1] == "plain"}
    for result in sorted(runs, key=_names):
        accuracy, base = result.metrics.acc, plain.get(_recipe(result))
        compared = base is not None and _names(result)[1] != "plain"
        table.add_row(
            *_names(result),
            str(result.config.seed),
            f"{100 * accuracy:.2f}",
            f"{100 * (accuracy - base):+.2f}" if compared and base is not None else "",
            str(result.metrics.images),
            str(result.training.epochs),
        )
    return table


def _names(result: TrainingResult) -> tuple[str, str, str]:
    names, adaptation = result.config.names, result.config.model.adaptation
    front = f" behind {adaptation}" if adaptation != "none" else ""
    return names.data, names.encryption, names.model + front


def _recipe(result: TrainingResult) -> str:
    """Return what a run has in common with its plain counterpart: all but encryption and learning rate."""
    config = result.config
    model = {name: value for name, value in config.model.values().items() if name != "optimizer"}
    return json.dumps([config.data.values(), model, config.trainer, config.seed], sort_keys=True, allow_nan=False)
