"""Attacks as tables: one line each, and scheme by attack with a computed verdict beside the paper's symbol."""

from typing import Any

from rich.table import Table

PAPER = {"le": "x", "etc": "check", "ele": "check", "pe": "x", "proposed": "check", "plain": "-"}
"""The security column of the paper's Table I; it rests on visual inspection under FR, GAN and ITN."""

BROKEN, LEAKS = 0.9, 0.1
RULE = (
    f"broken: median SSIM at least {BROKEN}, or half of the images restored exactly. "
    f"leaks: median SSIM above both floors (untouched ciphertext, unrelated image) by at least {LEAKS}. "
    "not by this: neither, which says nothing about other attacks."
)


def verdict(result: dict[str, Any]) -> str:
    """Judge one attack by `RULE`: "broken", "leaks" or "not by this"."""
    metrics = result["metrics"]
    restored = metrics["restored"]["ssim"]["median"]
    if restored >= BROKEN or metrics["exact_images"] >= 0.5:
        return "broken"
    floors = [metrics[name]["ssim"]["median"] for name in ("ciphertext", "unrelated") if name in metrics]
    return "leaks" if restored >= max(floors) + LEAKS else "not by this"


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


def security(results: list[dict[str, Any]]) -> Table:
    """Return a table with a row for each scheme at each image size, a column for each attack, and the paper's symbol.

    Where an attack ran several times, the worst for the owner counts; numbers are median SSIM and ciphertexts held.
    """
    found = [result for result in results if result.get("kind") == "attack"]
    attacks = sorted({result["config"]["names"]["attack"] for result in found})
    table = Table(title="Attacks on each scheme", title_justify="left", caption=RULE, caption_justify="left")
    for column in ("data", "scheme", "size", *attacks, "verdict", "paper"):
        table.add_column(column)
    rows: dict[tuple[str, str, int], dict[str, dict[str, Any]]] = {}
    for result in found:
        config = result["config"]
        row = rows.setdefault((config["names"]["data"], config["names"]["encryption"], config["image_size"]), {})
        name = config["names"]["attack"]
        if name not in row or _restored(result) > _restored(row[name]):
            row[name] = result
    for (data, scheme, size), row in sorted(rows.items()):
        cells = [_cell(row[name]) if name in row else "" for name in attacks]
        verdicts = [verdict(result) for result in row.values()]
        worst = next((word for word in ("broken", "leaks") if word in verdicts), "nothing found")
        table.add_row(data, scheme, str(size), *cells, worst, PAPER.get(scheme, ""))
    return table


def _restored(result: dict[str, Any]) -> float:
    return result["metrics"]["restored"]["ssim"]["median"]


def _cell(result: dict[str, Any]) -> str:
    return f"{verdict(result)} {_restored(result):.3f} ({result['threat_model']['ciphertexts']})"
