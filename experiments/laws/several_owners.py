"""Several owners, a key each: the accuracy of one network for all, and what the share of one owner gives to an attack.

    python experiments/laws/several_owners.py experiments/records/owners experiments/records/break_curve

Accuracy is that of `owners.yaml`. An owner's share are the training images under its key; what is restored from their
ciphertexts is read from the break curves of the same data, scheme and sizes: the best of all attacks on as many
ciphertexts of one key or fewer.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from vitcrypt.report.frame import CASE, Table, Texts, attack_frame, training_frame
from vitcrypt.report.results import read_results

SAME = ["data", "scheme", "sizes"]


def rows(trainings: pd.DataFrame, attacks: pd.DataFrame) -> Iterator[list[str]]:
    """Yield the cells of each scheme and number of owners."""
    images = [result.images.train for result in trainings["result"]]
    keys = [result.config.keys or count for result, count in zip(trainings["result"], images, strict=True)]
    trainings = trainings.assign(owners=keys, images=images).sort_values([*CASE[:-1], "owners"])
    for (*case, owners, count), runs in trainings.groupby([*SAME, "owners", "images"], sort=False):
        share = count // owners
        spread = f"sd {runs['accuracy'].std():.1f}, {len(runs)}" if len(runs) > 1 else "1"
        accuracy = f"{runs['accuracy'].mean():.1f} ({spread})"
        held = attacks[(attacks[SAME] == case).all(axis=1) & (attacks["held"] <= share)]
        restored = held.groupby(["attack", "held"])["restored"].quantile([0.25, 0.5, 0.75]).unstack().round(3)
        found = ["not run", ""]
        if len(restored):
            attack, number = restored[0.5].idxmax()
            low, median, high = restored.loc[(attack, number)]
            found = [f"{median:.3f} [{low:.2f}-{high:.2f}]", f"{attack}, {number:,}"]
        yield [case[1], f"{owners:,}", accuracy, f"{share:,}", *found]


def main(owners: str, curves: str) -> None:
    """Print the table."""
    trainings, attacks = training_frame(read_results(Path(owners))[0]), attack_frame(read_results(Path(curves))[0])
    columns = ["scheme", "owners", "accuracy, % (sd, runs)", "ciphertexts of each", "restored", "by, from"]
    notes = [
        "Accuracy: mean over seeds, of all owners' test images. Ciphertexts: of training; queries come on top.",
        "Restored: median SSIM [quartiles over sets and keys] of the best attack on as many ciphertexts or fewer.",
    ]
    print(Table("Owners, accuracy and break", Texts(list(rows(trainings, attacks)), columns), notes).markdown())


if __name__ == "__main__":
    main(*sys.argv[1:])
