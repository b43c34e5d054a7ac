"""How much of the key `attack=weights` reads from a key-adapted network, against the steps of its fine-tuning.

    python experiments/weights_attack.py cifar10.npz pretrained.ckpt curve.png > experiments/records/weights/shares.json
    python experiments/weights_attack.py table experiments/records/weights/shares.json

`pretrained.ckpt` is that of no_loss_pretraining.yaml. Fine-tuning as in no_loss.yaml (SGD, batch 128), at the learning
rate of plain images (0.03) and, for the proposed scheme, at the paper's for encrypted ones, ten times that; constant.
Prints the share of every subkey as JSON and draws the least of them; `table` prints the table of docs/key-adapted.md.
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitcrypt.attacks import Observation, Weights
from vitcrypt.data import normalise
from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed, Scheme
from vitcrypt.keys import Key
from vitcrypt.metrics import key_shares
from vitcrypt.models import fold_key, load_weights

STEPS = (0, 1, 3, 10, 30, 100, 300, 1000)
RATE, BATCH, SHAPE = 0.03, 128, (3, 32, 32)
Curve = dict[int, dict[str, float]]
CASES: list[tuple[Scheme, float]] = [(scheme, RATE) for scheme in (Proposed(8), PE(), EtC(8), LE(8), ELE(8))]
CASES.insert(1, (Proposed(8), 10 * RATE))


def build() -> nn.Module:
    """Return the network of no_loss.yaml, untrained."""
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 4}
    return timm.create_model("vit_tiny_patch16_224", num_classes=10, **sizes)


def original(path: str) -> nn.Module:
    """Return the public network."""
    network = build()
    load_weights(network, path)
    return network


def curve(
    scheme: Scheme, rate: float, images: Tensor, labels: Tensor, public: nn.Module
) -> dict[int, dict[str, float]]:
    """Fold, fine-tune on encrypted images, and attack on the way; return the shares of the subkeys by step."""
    truth = scheme.subkeys(Key.test("test-0"), SHAPE)
    cipher = scheme.cipher(truth, SHAPE)
    network, encrypted = fold_key(public, cipher), cipher(images)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    generator, shares = torch.Generator().manual_seed(0), {}
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            held = Observation(scheme, encrypted[:1], weights=(network.state_dict(), public.state_dict()))
            shares[step] = key_shares(Weights()(held).subkeys, truth)
        chosen = torch.randint(len(images), (BATCH,), generator=generator)
        loss = F.cross_entropy(network(normalise(encrypted[chosen])), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return shares


def draw(curves: dict[str, Curve], path: Path) -> None:
    """Draw the least share of each."""
    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    for name, shares in curves.items():
        axes.plot(range(len(shares)), [100 * min(share.values()) for share in shares.values()], "o-", label=name, ms=3)
    axes.set_xticks(range(len(STEPS)), [str(step) for step in STEPS])
    axes.set(xlabel="steps of fine-tuning", ylabel="key recovered (%), least subkey", ylim=(0, 105))
    axes.legend()
    figure.savefig(path, dpi=120)


def print_table(curves: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print the least share of the subkeys by step, and which of several it is where another is whole."""
    steps = list(next(iter(curves.values())))
    print(f"| scheme, learning rate | {' | '.join(f'{int(step):,}' for step in steps)} |")
    print("|" + " --- |" * (len(steps) + 1))
    for name, shares in curves.items():
        least = [min(shares[step], key=lambda subkey: shares[step][subkey]) for step in steps]
        shown = [f"{shares[step][subkey]:.1%}".replace("%", " %") for step, subkey in zip(steps, least, strict=True)]
        whole = [subkey.replace("_", " ") for subkey, share in shares[steps[-1]].items() if share == 1]
        if whole and len(whole) < len(shares[steps[-1]]):
            shown[-1] += f" (the whole {' and '.join(whole)})"
        print(f"| {name} | {' | '.join(shown)} |")


def main(data: str, weights: str, picture: str) -> None:
    """Attack every scheme."""
    arrays = np.load(data)
    images = torch.from_numpy(arrays["train_images"][-10000:]).permute(0, 3, 1, 2).contiguous()
    labels, public = torch.from_numpy(arrays["train_labels"][-10000:].ravel().astype(np.int64)), original(weights)
    curves = {}
    for scheme, rate in CASES:
        name = f"{scheme.name}, {rate:g}"
        curves[name] = curve(scheme, rate, images, labels, public)
        print(f"{name}: {curves[name]}", file=sys.stderr, flush=True)
        draw(curves, Path(picture))
    print(json.dumps(curves, indent=1))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "table":
        print_table(json.loads(Path(sys.argv[2]).read_text()))
    elif len(sys.argv) == 4:
        main(*sys.argv[1:])
    else:
        sys.exit(__doc__)
