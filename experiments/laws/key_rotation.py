"""A new key after every r images: what it costs in accuracy, and what pairs of one key still give; as JSON.

    python experiments/laws/key_rotation.py cifar10.npz le > experiments/records/laws/key_rotation_le.json
    python experiments/laws/key_rotation.py --table experiments/records/laws/key_rotation_le.json

5,000 training images of 32 x 32 (blocks of 4), the key changed after every r of them; queries are under the last key.
The attacker holds all r pairs of a key, and takes for each place of a ciphertext the pixel that it varies with most; of
LE and ELE, which move halves of bytes, the nibble.
"""

import sys
from typing import Any

import torch
from places import SCHEMES, TRAIN, Images, accuracy, candidates, encrypted, explained, program

EVERY = (1, 2, 4, 10, 50, 200, 1000, 5000)


def measured(images: Images, name: str, every: int) -> dict[str, Any]:
    """Return accuracy under the last key, and what the pairs of that key explain."""
    keys, number = TRAIN // every, torch.arange(TRAIN) // every
    train = encrypted(images.train, SCHEMES[name], number)
    test = encrypted(images.test, SCHEMES[name], number[-1:].expand(len(images.test)))
    plain, unseen = candidates(images.train[-every:], name), candidates(images.test, name)
    row = {
        "scheme": name,
        "every": every,
        "keys": keys,
        "accuracy": accuracy(train, images.train_labels, test, images.test_labels),
        "explained": explained(plain, train[-every:], unseen, test),
    }
    print(row, file=sys.stderr, flush=True)
    return row


def table(measured: list[dict[str, Any]]) -> None:
    """Print rows of records as a table."""
    print(
        "| scheme | new key every | keys | accuracy % | explained by the pairs of one key |",
        "|" + " --- |" * 5,
        sep="\n",
    )
    for row in measured:
        cells = [row["scheme"], str(row["every"]), str(row["keys"]), f"{100 * row['accuracy']:.1f}"]
        cells.append(f"{row['explained']:.2f}")
        print(f"| {' | '.join(cells)} |")
    print(
        "\n- Explained: share of the variance of 2,000 unseen ciphertexts under that key; an exact map explains 1.00."
    )
    print("  Accuracy: of a linear classifier on 5,000 images; chance is 10.0.")


if __name__ == "__main__":
    program(__doc__, measured, EVERY, table)
