"""The records of image to perturbation as a table: what queries cost, and what whoever holds the network restores.

python experiments/i2p_table.py experiments/records/i2p
"""

import json
import sys
from pathlib import Path


def table(folder: Path) -> None:
    """Print it as Markdown."""
    records = [json.loads(path.read_text()) for path in sorted(folder.rglob("result.json"))]
    (query,) = [json.loads(path.read_text()) for path in folder.rglob("evaluation-*.json")]
    trained = {
        each["config"]["names"]["encryption"]: each for each in records if "attack" not in each["config"]["names"]
    }
    attacks = {each["config"]["names"].get("attack"): each for each in records if "attack" in each["config"]["names"]}
    itn, plain = attacks["itn"], trained["plain"]
    linked = [each["metrics"]["linked"]["top1"] for each in records if "linked" in each["metrics"]]
    known = itn["metrics"]["recognised"]
    rows = {
        "plain queries to a network of plain images, accuracy %": f"{100 * plain['metrics']['acc']:.2f}",
        "transformed queries to the same network": f"{100 * query['metrics']['acc']:.2f}",
        "trained and tested on transformed images": f"{100 * trained['i2p']['metrics']['acc']:.2f}",
        "ITN with the network, median SSIM": f"{itn['metrics']['restored']['symmetric_ssim']['median']:.3f}",
        "the transformed images themselves": f"{itn['metrics']['ciphertext']['symmetric_ssim']['median']:.3f}",
        "the mean image": f"{itn['metrics']['mean_image']['symmetric_ssim']['median']:.3f}",
        "restored images that the plain network tells, %": f"{100 * known['restored']:.1f}",
        "the same images in plain": f"{100 * known['plain']:.1f}",
        "linked with the network, first among 10,000, at least %": f"{100 * min(linked):.1f}",
    }
    print("| what | measured |\n| --- | --- |")
    print("".join(f"| {name} | {value} |\n" for name, value in rows.items()), end="")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    table(Path(sys.argv[1]))
