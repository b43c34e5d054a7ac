"""Compute the features of images once, so that a sweep over noise takes seconds.

    python experiments/features/extract.py lite0_128.onnx cifar10.npz lite0_cifar10.npz --train 10000 --test 10000

Both .npz files have train_images (or train_features) and so on, as MedMNIST has them. Parts of 250 images are kept in
--cache by the digest of network and images, so that the same command goes on where it was stopped. One thread.
"""

import argparse
import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

PART = 250


def features(session: onnxruntime.InferenceSession, digest: str, images: NDArray[np.uint8], cache: Path) -> NDArray:
    """Return float32 [n, d] of uint8 [n, H, W, 3], from the cache where they are there."""
    parts = []
    for start in range(0, len(images), PART):
        part = np.ascontiguousarray(images[start : start + PART].transpose(0, 3, 1, 2))
        path = cache / f"{hashlib.sha256(digest.encode() + part.tobytes()).hexdigest()[:32]}.npy"
        if not path.exists():
            started = time.perf_counter()
            made = np.concatenate([session.run(None, {"image": few})[0] for few in np.array_split(part, 10)])
            (fresh := path.with_suffix(".part.npy")).unlink(missing_ok=True)
            np.save(fresh, made)
            fresh.rename(path)
            print(f"{start}: {len(part) / (time.perf_counter() - started):.1f} images/s", file=sys.stderr, flush=True)
        parts.append(np.load(path))
    return np.concatenate(parts)


def main() -> None:
    """Read, compute, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("features", type=Path)
    parser.add_argument("--train", type=int, default=10_000)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "vitcrypt" / "features")
    said = parser.parse_args()
    said.cache.mkdir(parents=True, exist_ok=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(said.network, options, providers=["CPUExecutionProvider"])
    digest, held, made = hashlib.sha256(said.network.read_bytes()).hexdigest(), np.load(said.images), {}
    for name, count in (("train", said.train), ("test", said.test)):
        made[f"{name}_features"] = features(session, digest, held[f"{name}_images"][:count], said.cache)
        made[f"{name}_labels"] = held[f"{name}_labels"][:count].reshape(-1)
    np.savez(said.features, network=digest, **made)


if __name__ == "__main__":
    main()
