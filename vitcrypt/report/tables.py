"""Tables of results."""

from typing import Any

from rich.table import Table


def summary(results: list[dict[str, Any]]) -> Table:
    """Return a table of runs, each beside the plain run that differs from it in the encryption alone."""
    results = [result for result in results if result.get("kind") != "attack"]
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


def attacks(results: list[dict[str, Any]]) -> Table:
    """Return a table of attacks: what each restored, beside its floors, and how much of the key it recovered."""
    table = Table(title="Restoration by attacks (median SSIM)", title_justify="left")
    columns = ("data", "encryption", "attack", "ciphertexts", "restored", "ciphertext", "unrelated", "exact", "key")
    for name in columns:
        table.add_column(name, justify="left" if name in ("data", "encryption", "attack") else "right")
    found = [result for result in results if result.get("kind") == "attack"]
    for result in sorted(
        found, key=lambda r: [r["config"]["names"][name] for name in ("data", "encryption", "attack")]
    ):
        names, metrics = result["config"]["names"], result["metrics"]
        key = [share["share"] for share in metrics.get("key", {}).values()]
        table.add_row(
            names["data"],
            names["encryption"],
            names["attack"],
            str(result["threat_model"]["ciphertexts"]),
            *(f"{metrics[n]['ssim']['median']:.3f}" if n in metrics else "" for n in columns[4:7]),
            f"{100 * metrics['exact_images']:.0f} %",
            f"{100 * min(key):.1f} %" if key else "",
        )
    return table
