"""What is measured of a scheme without training: its key space, its speed, its ciphertexts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vitcrypt.benchmark.declarations import Examined
from vitcrypt.encryption import Scheme, as_pictures
from vitcrypt.experiment.keyspace import redundancy
from vitcrypt.keys import Key
from vitcrypt.metrics import card

BATCH = 128
SHOWN = ("SSIM", "PSNR, dB", "MI, bits", "entropy", "adjacent", "flatness")
"""Of what is measured of ciphertexts."""


@dataclass(frozen=True)
class Measured:
    """Figures by name.

    Attributes:
        key: Bits, nominal and found, and how many ciphertexts fix the key in principle.
        speed: Images a second, and the share of what copying them takes.
        ciphertexts: Commonly measured of ciphertexts; none of it measures security.
    """

    key: dict[str, float | None]
    speed: dict[str, float]
    ciphertexts: dict[str, float]


def measure(scheme: Scheme, plain: Tensor, examined: Examined) -> Measured:
    """Measure key space, speed and ciphertexts on uint8 [n, 3, S, S] under two public test keys."""
    _, channels, height, width = plain.shape
    shape = (channels, height, width)
    mine, other = (scheme.cipher(scheme.subkeys(Key.test(name), shape), shape) for name in ("test-0", "test-1"))
    nominal, spare = scheme.key_space_bits(shape), redundancy(plain)
    unicity = examined.key_bits / spare if spare > 0 else None
    key = {"nominal bits": nominal, "bits found": examined.key_bits, "unicity, ciphertexts": unicity}
    batch = plain.repeat(-(-BATCH // len(plain)), 1, 1, 1)[:BATCH]
    encrypting, copying = _seconds(lambda: mine(batch)), _seconds(batch.clone)
    speed = {"images/s": BATCH / encrypting, "times a copy": encrypting / copying}
    encrypted, compared = (as_pictures(cipher(plain), shape) for cipher in (mine, other))
    found = card.measures(plain, encrypted)
    shown = {name: found[name] for name in SHOWN}
    shown |= card.changes(encrypted, as_pictures(mine(card.one_bit(plain)), shape), compared)
    return Measured(key, speed, shown)


def _seconds(work: Callable[[], Tensor], rounds: int = 5) -> float:
    """Return the shortest of some rounds."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        with torch.no_grad():
            work()
        taken.append(time.perf_counter() - started)
    return max(min(taken), 1e-9)
