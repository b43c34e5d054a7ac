"""How near a public network must be to a secret base for `attack=weights` to read the key from its key-adapted form.

    python experiments/secret_base.py cifar10.npz > experiments/records/weights/secret_base.json
    python experiments/secret_base.py table experiments/records/weights/secret_base.json

The secret base is the small ViT of no_loss.yaml, trained from a start of its own on 20,000 plain images (AdamW, 1e-3,
batch 128, constant). It is folded and never published; the attacker compares it with another network: an earlier state
of it, one from the same start on other images, ones from other starts, and mixtures of it with these. `distance` is
that of patch and position embeddings, in lengths of the secret ones. `by grams` compares what no rotation of the hidden
space changes, inner products of kernels' columns and of positions' rows (Proposed only; quadratic assignment).
"""

import json
import math
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
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

STEPS, HALF, TESTED, STARTS = 200, 20_000, 2000, 50
EARLIER = (0, 5, 20, 50, 100, 150, 200)
MIXED = (0.1, 0.25, 0.5, 0.75, 0.9)
SCHEMES: tuple[Scheme, ...] = (Proposed(8), PE(), EtC(8), LE(8), ELE(8))


def trained(start: int, images: Tensor, labels: Tensor, order: int) -> Iterator[tuple[int, State]]:
    """Yield what a network is after those numbers of steps that `EARLIER` asks for."""
    torch.manual_seed(start)
    network = build()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    generator = torch.Generator().manual_seed(order)
    for step in range(STEPS + 1):
        if STEPS - step in EARLIER:
            yield step, {name: value.clone() for name, value in network.state_dict().items()}
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


def main(data: str) -> None:
    """Train, fold, attack."""
    torch.set_num_threads(1)
    held = np.load(data)
    pixels, tested = (
        torch.from_numpy(held[f"{split}_images"][:count]).permute(0, 3, 1, 2).contiguous()
        for split, count in (("train", 2 * HALF), ("test", TESTED))
    )
    labels, asked = (torch.from_numpy(held[f"{split}_labels"].ravel().astype(np.int64)) for split in ("train", "test"))
    first, second = (pixels[:HALF], labels[:HALF]), (pixels[HALF:], labels[HALF : 2 * HALF])
    own = dict(trained(0, *first, 0))
    secret = own[STEPS]
    others = {"same start, other images": (0, *second, 1), "another start": (1, *first, 0)}
    others["another start, other images"] = 2, *second, 1
    ends = {name: dict(trained(*of))[STEPS] for name, of in others.items()}
    public = {f"{STEPS - step:,} steps before": state for step, state in sorted(own.items(), reverse=True)} | ends
    far = ends["another start, other images"]
    for share in MIXED:
        public[f"{share:.0%} of another start"] = {n: (1 - share) * secret[n] + share * far[n] for n in secret}
    key, victims = Key.test("test-0"), {}
    for scheme in SCHEMES:
        subkeys = scheme.subkeys(key, SHAPE)
        victims[scheme] = fold_key(of_state(secret), scheme.cipher(subkeys, SHAPE)).state_dict(), subkeys
    rows = []
    for name, state in public.items():
        with torch.inference_mode():
            right = (of_state(state)(normalise(tested)).argmax(1) == asked[:TESTED]).double().mean()
        row: dict[str, Any] = {"public": name, "distance": distance(state, secret), "accuracy": float(right)}
        row["shares"] = {
            scheme.name: key_shares(read_key(scheme, SHAPE, victim, state), subkeys)
            for scheme, (victim, subkeys) in victims.items()
        }
        victim, subkeys = victims[SCHEMES[0]]
        row["grams"] = {part: up_to_symmetry(found, subkeys[part]) for part, found in grams(victim, state).items()}
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    print(json.dumps({"steps": STEPS, "images": HALF, "tested": TESTED, "rows": rows}, indent=1))


def print_table(record: dict[str, Any]) -> None:
    """Print the least share of the subkeys of every scheme, by distance."""
    rows = sorted(record["rows"], key=lambda row: row["distance"])
    names = list(rows[0]["shares"])
    grams = [f"by grams: {part.replace('_', ' ')}" for part in rows[0]["grams"]]
    columns = ["the public network", "distance", "its accuracy, %", *names, *grams]
    print(f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns), sep="\n")
    for row in rows:
        shares = [min(row["shares"][name].values()) for name in names] + list(row["grams"].values())
        cells = [row["public"], f"{row['distance']:.2f}", f"{100 * row['accuracy']:.1f}"]
        print(f"| {' | '.join([*cells, *(f'{100 * share:.1f}' for share in shares)])} |")
    print(f"\n- Shares of the key in percent, of the least subkey; {record['images']:,} images, ", end="")
    print(f"{record['steps']:,} steps;")
    print(f"  accuracy on {record['tested']:,} test images. By grams: up to a symmetry of the square.")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "table":
        print_table(json.loads(Path(sys.argv[2]).read_text()))
    elif len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        sys.exit(__doc__)
