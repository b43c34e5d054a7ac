"""Repeated trials of attacks, each under a key of its own: how often a key is exact, and from how many images.

    python experiments/attack_trials.py jigsaw cifar10.npz         # 100 x 1 and 30 x 2 ciphertexts, proposed, 224 / 16
    python experiments/attack_trials.py photographs                # six photographs, alone and under one key
    python experiments/attack_trials.py known cifar10.npz          # 20 keys a scheme, until all are exact
    python experiments/attack_trials.py statistics cifar10.npz pe:50:10 le:50:6 etc:1000:9 ele:1000:3
    python experiments/attack_trials.py curve cifar10.npz pe,le,etc,ele 2,5,10,20,50,100,200,500,1000

`statistics` takes scheme:ciphertexts:trials, `curve` runs the keys test-0 to test-2.

The .npz file holds `train_images` and `test_images`, uint8 [N, 32, 32, 3]. Recorded: README.md.
"""

import sys
import time
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vitcrypt.attacks import Jigsaw, KnownPlaintext, Observation, Statistics
from vitcrypt.data import resize
from vitcrypt.data.decode import crop_square
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Proposed, Scheme
from vitcrypt.keys import Key
from vitcrypt.metrics import jigsaw_score, key_shares, ssim

SMALL: dict[str, Scheme] = {"pe": PE(), "le": LE(4), "etc": EtC(4), "ele": ELE(4)}


def encrypted(scheme: Scheme, images: Tensor, key: str) -> tuple[Tensor, dict[str, Tensor]]:
    """Return ciphertexts and the subkeys that the attack looks for."""
    shape = (3, *images.shape[2:])
    return ImageEncryption(scheme, Key.test(key), shape)(images), scheme.subkeys(Key.test(key), shape)


def cifar(path: str, split: str, count: int) -> Tensor:
    """Return the first images of a split, uint8 [count, 3, 32, 32]."""
    return torch.from_numpy(np.load(path)[f"{split}_images"][:count]).permute(0, 3, 1, 2).contiguous()


def solve(images: Tensor, key: str) -> dict[str, float]:
    """Run the jigsaw attack on images under one key."""
    scheme = Proposed(16)
    ciphertexts, truth = encrypted(scheme, images, key)
    started = time.perf_counter()
    found = Jigsaw()(Observation(scheme, ciphertexts))
    seconds = time.perf_counter() - started
    shares, side = key_shares(found.subkeys, truth), images.shape[-1] // 16
    placed = truth["block_permutation"][found.subkeys["block_permutation"].argsort()]
    return {
        "K1": shares["block_permutation"],
        "K2": shares["pixel_permutation"],
        "neighbours": jigsaw_score(placed, side, side).neighbour,
        "ssim": ssim(images, found.images).median().item(),
        "seconds": seconds,
    }


def summarise(name: str, trials: list[dict[str, float]]) -> None:
    """Print what many trials restored."""
    exact = {key: sum(trial[key] == 1 for trial in trials) for key in ("K1", "K2")}
    similar = [trial["ssim"] for trial in trials]
    least = min(trial["neighbours"] for trial in trials)
    print(f"{name}: {len(trials)} trials, exact K1 {exact['K1']}, K2 {exact['K2']}, neighbours least {least:.2f},")
    slowest = max(trial["seconds"] for trial in trials)
    print(f"  SSIM median {np.median(similar):.3f}, least {min(similar):.3f}, at most {slowest:.1f} s", flush=True)


def jigsaw(path: str) -> None:
    """One ciphertext under each of 100 keys, two under each of 30."""
    images = resize(cifar(path, "test", 160), 224)
    summarise("one ciphertext", [solve(images[i : i + 1], f"test-{i}") for i in range(100)])
    summarise("two ciphertexts", [solve(images[100 + 2 * i : 102 + 2 * i], f"test-{200 + i}") for i in range(30)])


def photographs() -> None:
    """Six photographs at 224 x 224, each alone, then all under one key."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    arrays = [load_sample_image("china.jpg"), load_sample_image("flower.jpg")]
    arrays += [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    squares = [crop_square(Image.fromarray(a)).resize((224, 224), Image.Resampling.BICUBIC) for a in arrays]
    images = torch.stack([torch.from_numpy(np.array(square)).permute(2, 0, 1) for square in squares]).contiguous()
    summarise("each alone", [solve(images[i : i + 1], f"test-{i}") for i in range(6)])
    summarise("all under one key", [solve(images, f"test-{key}") for key in (11, 12)])


def known(path: str) -> None:
    """Known pairs under each of 20 keys, more and more until every key is exact."""
    images = cifar(path, "test", 3000)
    cases: list[tuple[Scheme, int]] = [(PE(channel_shuffle=False), 32), *((s, 32) for s in SMALL.values())]
    for scheme, size in [*cases, (Proposed(16), 224)]:
        for count in (1, 2, 3, 5, 10, 20, 50):
            exact = 0
            for trial in range(20):
                pairs = resize(images[trial * count : (trial + 1) * count], size)
                ciphertexts, truth = encrypted(scheme, pairs, f"test-{trial}")
                found = KnownPlaintext()(Observation(scheme, ciphertexts[:1], known=(pairs, ciphertexts)))
                exact += all(torch.equal(found.subkeys[name], truth[name]) for name in truth)
            print(f"{scheme}, {count} pairs: exact {exact} of 20", flush=True)
            if exact == 20:
                break


def guess(path: str, scheme: Scheme, images: Tensor, key: str) -> str:
    """Run the statistics attack and describe its result."""
    ciphertexts, truth = encrypted(scheme, images, key)
    found = Statistics()(Observation(scheme, ciphertexts, public_images=cifar(path, "train", 2000)))
    shares, some = key_shares(found.subkeys, truth), images[:100]
    upright, mirrored = (ssim(some, found.images[:100].flip(-1) if m else found.images[:100]).median() for m in (0, 1))
    return f"exact {min(shares.values()) == 1}, SSIM {upright:.3f}, of the mirror image {mirrored:.3f}, {shares}"


def trials(path: str) -> Iterator[str]:
    """Disjoint sets of images, each under a key of its own."""
    for case in sys.argv[3:]:
        name, count, repeats = case.split(":")
        images = cifar(path, "test", 10000)
        for i in range(int(repeats)):
            chosen = images[i * int(count) : (i + 1) * int(count)]
            yield f"{name}, {count} ciphertexts: {guess(path, SMALL[name], chosen, f'test-{i + 10}')}"


def curve(path: str) -> Iterator[str]:
    """The first n test images under each of three keys."""
    for name in sys.argv[3].split(","):
        for count in map(int, sys.argv[4].split(",")):
            for key in ("test-0", "test-1", "test-2"):
                yield f"{name}, {count} ciphertexts, {key}: {guess(path, SMALL[name], cifar(path, 'test', count), key)}"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["jigsaw", path]:
            jigsaw(path)
        case ["photographs"]:
            photographs()
        case ["known", path]:
            known(path)
        case ["statistics", path, *_] | ["curve", path, *_]:
            for line in trials(path) if sys.argv[1] == "statistics" else curve(path):
                print(line, flush=True)
        case _:
            sys.exit(__doc__)
