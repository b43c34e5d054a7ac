"""The records of attack_trials.py as a table: how often the key was exact, and what was restored.

python experiments/trials_table.py experiments/records/trials
"""

import json
import sys
from pathlib import Path
from statistics import median

COLUMNS = ("scheme", "side / block", "attack", "holds", "trials", "key exact", "share of the key", "SSIM", "seconds")

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(f"| {' | '.join(COLUMNS)} |")
    print("|" + " --- |" * len(COLUMNS))
    rows = [row for path in Path(sys.argv[1]).glob("*.json") for row in json.loads(path.read_text())]
    for row in sorted(
        rows, key=lambda row: (row["scheme"], row["options"], row["method"], row["images"], row["number"])
    ):
        kind = "pairs" if row["method"] == "known_plaintext" else "ciphertexts"
        name = f"{row['scheme']}, signs only" if "channel_shuffle=False" in row["options"] else row["scheme"]
        count = f"{row['number']:,} {kind if row['number'] > 1 else kind[:-1]}"
        shown = [name + (", photographs" if row["images"] == "photographs" else ""), f"{row['side']} / {row['block']}"]
        shown += [f"`{row['method']}`", count, f"{len(row['ssim'])}", f"{row['exact']}"]
        shown += [f"{median(row['shares']):.1%} ({min(row['shares']):.1%})".replace("%", " %")]
        # the images of known pairs are known
        similar = "" if kind == "pairs" else f"{median(row['ssim']):.3f} ({min(row['ssim']):.3f})"
        shown += [similar, f"{max(row['seconds']):.1f}"]
        print(f"| {' | '.join(shown)} |")
