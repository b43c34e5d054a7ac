"""Tables of results."""

from typing import Any

from rich.table import Table


def summary(results: list[dict[str, Any]]) -> Table:
    """Return a table of runs, each beside the plain run that differs from it in the encryption alone."""
    table = Table(title="Test accuracy", title_justify="left")
    for name in (
        "data",
        "encryption",
        "model",
        "seed",
        "accuracy",
        "plain",
        "difference",
        "images",
        "epochs",
        "hardware",
    ):
        table.add_column(
            name, justify="right" if name in ("accuracy", "plain", "difference", "images", "epochs") else "left"
        )
    plain = {_setting(result): result["metrics"]["acc"] for result in results if _names(result)[1] == "plain"}
    for result in sorted(results, key=_names):
        data, encryption, model = _names(result)
        accuracy, base = result["metrics"]["acc"], plain.get(_setting(result))
        compared = base is not None and encryption != "plain"
        table.add_row(
            data,
            encryption,
            model,
            str(result["config"]["seed"]),
            f"{100 * accuracy:.2f} %",
            f"{100 * base:.2f} %" if base is not None and compared else "",
            f"{100 * (accuracy - base):+.2f}" if base is not None and compared else "",
            str(result["metrics"]["images"]),
            str(result["training"]["epochs"]),
            result["hardware"]["device"],
        )
    return table


def _names(result: dict[str, Any]) -> tuple[str, str, str]:
    names = result["config"]["names"]
    return names["data"], names["encryption"], names["model"]


def _setting(result: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a run shares with the plain run that it is compared with."""
    config, (data, _, model) = result["config"], _names(result)
    trainer = config["trainer"]
    return data, config["data"]["limit_train"], model, config["seed"], trainer["max_epochs"], trainer["max_steps"]
