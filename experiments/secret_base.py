"""How near a public network must be to a secret base for `attack=weights` to read the key from its key-adapted form.

    python experiments/secret_base.py cifar10.npz > experiments/records/weights/secret_base.json
    python experiments/secret_base.py cifar10.npz --steps 2000 > experiments/records/weights/secret_base_2000.json
    python experiments/secret_base.py --table experiments/records/weights/secret_base.json

The secret base is the small ViT of no_loss.yaml, trained from a start of its own on 20,000 plain images (AdamW, 1e-3,
batch 128, constant); each seed has starts, orders of images and a key of its own. It is folded and never published; the
attacker compares it with another network: an earlier state of it, one from the same start on other images, ones from
other starts, and mixtures of it with these. `distance` is that of patch and position embeddings, in lengths of the
secret ones. `by grams` compares what no rotation of the hidden space changes, inner products of kernels' columns and of
positions' rows (Proposed only; quadratic assignment).
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import quadratic_assignment
from torch import Tensor, nn
from weights_attack import BATCH, SHAPE, build

from vitcrypt.attacks.observation import State
from vitcrypt.attacks.weight_diff import PATCHES, POSITIONS, read_key
from vitcrypt.data import normalise
from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed, Scheme
from vitcrypt.keys import Key
from vitcrypt.metrics import key_shares
from vitcrypt.models import fold_key

HALF, TESTED, STARTS = 20_000, 2000, 50
EARLIER = (0, 0.025, 0.1, 0.25, 0.5, 0.75, 1)
"""Shares of the training."""
MIXED = (0.1, 0.25, 0.5, 0.75, 0.9)
SCHEMES: tuple[Scheme, ...] = (Proposed(8), PE(), EtC(8), LE(8), ELE(8))


def trained(steps: int, start: int, images: Tensor, labels: Tensor, order: int) -> Iterator[tuple[int, State]]:
    """Yield how many steps are left, and what the network is then, where `EARLIER` asks for it."""
    torch.manual_seed(start)
    network = build()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    generator = torch.Generator().manual_seed(order)
    wanted = {round(share * steps) for share in EARLIER}
    for left in range(steps, -1, -1):
        if left in wanted:
            yield left, {name: value.clone() for name, value in network.state_dict().items()}
        chosen = torch.randint(len(images), (BATCH,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(network(normalise(images[chosen])), labels[chosen]).backward()
        optimizer.step()


def of_state(state: State) -> nn.Module:
    """Return the network of a state."""
    network = build().eval()
    network.load_state_dict(state)
    return network


def distance(state: State, secret: State) -> float:
    """Return how far the embeddings are from the secret ones, in lengths of these."""
    both = [torch.cat([held[name].flatten() for name in (PATCHES, POSITIONS)]) for held in (state, secret)]
    return float((both[0] - both[1]).norm() / both[1].norm())


def grams(network: State, public: State) -> dict[str, Tensor]:
    """Return subkeys of Proposed(8) by quadratic assignment of inner products: the best of many starts."""
    found = {}
    for name, made in (("block_permutation", _positions), ("pixel_permutation", _pixels)):
        theirs, ours = (made(state).double().numpy() for state in (network, public))
        options = [{"rng": np.random.default_rng(seed), "P0": "randomized"} for seed in range(STARTS)]
        tried = [quadratic_assignment(theirs, ours, "faq", {"maximize": True, **held}) for held in options]
        found[name] = torch.from_numpy(max(tried, key=lambda result: float(result.fun)).col_ind)
    return found


def _positions(state: State) -> Tensor:
    rows = state[POSITIONS][0, 1:]
    rows = rows - rows.mean(0)
    return rows @ rows.T


def _pixels(state: State) -> Tensor:
    """Inner products of columns of the kernel, over channels and quadrants, which the key moves alike."""
    kernel = state[PATCHES].unflatten(2, (2, 4)).unflatten(4, (2, 4))  # [D, 3, 2, 4, 2, 4]
    columns = kernel.permute(3, 5, 0, 1, 2, 4).flatten(2).flatten(0, 1)
    columns = columns - columns.mean(0)
    return columns @ columns.T


def up_to_symmetry(found: Tensor, truth: Tensor) -> float:
    """Return the largest share of right places over the mirrored and turned forms of a square grid."""
    side = math.isqrt(len(truth))
    grid = torch.arange(len(truth)).view(side, side)
    forms = [
        (turned.T if mirrored else turned).reshape(-1)
        for turns, mirrored in product(range(4), (False, True))
        for turned in (torch.rot90(grid, turns),)
    ]
    return max(float((form[found] == truth).double().mean()) for form in forms)


def measured(data: Path, steps: int, seed: int) -> Iterator[dict[str, Any]]:
    """Train, fold, attack: yield a row for each public network."""
    held = np.load(data)
    pixels, tested = (
        torch.from_numpy(held[f"{split}_images"][:count]).permute(0, 3, 1, 2).contiguous()
        for split, count in (("train", 2 * HALF), ("test", TESTED))
    )
    labels, asked = (torch.from_numpy(held[f"{split}_labels"].ravel().astype(np.int64)) for split in ("train", "test"))
    first, second = (pixels[:HALF], labels[:HALF]), (pixels[HALF:], labels[HALF : 2 * HALF])
    (start, another, third), (order, changed) = range(3 * seed, 3 * seed + 3), range(2 * seed, 2 * seed + 2)
    own = dict(trained(steps, start, *first, order))
    secret = own[0]
    others = {"same start, other images": (start, *second, changed), "another start": (another, *first, order)}
    others["another start, other images"] = third, *second, changed
    ends = {name: dict(trained(steps, *of))[0] for name, of in others.items()}
    public = {f"{left:,} steps before": state for left, state in sorted(own.items())} | ends
    far = ends["another start, other images"]
    for share in MIXED:
        public[f"{share:.0%} of another start"] = {n: (1 - share) * secret[n] + share * far[n] for n in secret}
    key, victims = Key.test(f"test-{seed}"), {}
    for scheme in SCHEMES:
        subkeys = scheme.subkeys(key, SHAPE)
        victims[scheme] = fold_key(of_state(secret), scheme.cipher(subkeys, SHAPE)).state_dict(), subkeys
    for name, state in public.items():
        with torch.inference_mode():
            right = (of_state(state)(normalise(tested)).argmax(1) == asked[:TESTED]).double().mean()
        row: dict[str, Any] = {"public": name, "seed": seed, "distance": distance(state, secret)}
        row["accuracy"] = float(right)
        row["shares"] = {
            scheme.name: key_shares(read_key(scheme, SHAPE, victim, state), subkeys)
            for scheme, (victim, subkeys) in victims.items()
        }
        victim, subkeys = victims[SCHEMES[0]]
        row["grams"] = {part: up_to_symmetry(found, subkeys[part]) for part, found in grams(victim, state).items()}
        print(row, file=sys.stderr, flush=True)
        yield row


def cells(row: dict[str, Any]) -> dict[str, float]:
    """Return what the table says of a row: of each scheme the least subkey."""
    shares = {name: 100 * min(parts.values()) for name, parts in row["shares"].items()}
    grams = {f"by grams: {part.replace('_', ' ')}": 100 * share for part, share in row["grams"].items()}
    return {"distance": row["distance"], "its accuracy, %": 100 * row["accuracy"], **shares, **grams}


def print_table(record: dict[str, Any]) -> None:
    """Print the mean over seeds, and the least and the largest where they differ, by distance."""
    seeds: dict[str, list[dict[str, float]]] = {}
    for row in record["rows"]:
        seeds.setdefault(row["public"], []).append(cells(row))
    columns = list(next(iter(seeds.values()))[0])
    print(f"| the public network | {' | '.join(columns)} |", "|" + " --- |" * (len(columns) + 1), sep="\n")
    for name, of in sorted(seeds.items(), key=lambda held: mean(row["distance"] for row in held[1])):
        told = [over_seeds([row[column] for row in of], 2 if column == "distance" else 1) for column in columns]
        print(f"| {name} | {' | '.join(told)} |")
    numbers = ", ".join(str(seed) for seed in sorted({row["seed"] for row in record["rows"]}))
    print(f"\n- Mean (least to largest) over seeds {numbers}. Shares of the key in percent, of the least subkey;")
    print(f"  {record['images']:,} images, {record['steps']:,} steps; accuracy on {record['tested']:,} test images.")
    print("  By grams: up to a symmetry of the square.")


def over_seeds(values: list[float], digits: int) -> str:
    """Return mean (least to largest), or the one value that all have."""
    least, middle, largest = (f"{value:.{digits}f}" for value in (min(values), mean(values), max(values)))
    return middle if least == largest else f"{middle} ({least} to {largest})"


def main() -> None:
    """Measure, or print the table of a record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", type=Path)
    said = parser.parse_args()
    if said.table:
        print_table(json.loads(said.table.read_text()))
    elif said.data:
        torch.set_num_threads(1)
        started = time.perf_counter()
        rows = [row for seed in said.seeds for row in measured(said.data, said.steps, seed)]
        record = {"steps": said.steps, "images": HALF, "tested": TESTED, "seconds": time.perf_counter() - started}
        print(json.dumps({**record, "rows": rows}, indent=1))
    else:
        parser.error("name the .npz file of CIFAR-10, or --table with a record")


if __name__ == "__main__":
    main()
