"""The numbers of docs/what-is-possible.md, as tables: what the theorems give for the schemes of this repository.

    python experiments/possible.py keys             one key, and a key for each image
    python experiments/possible.py noise            Gaussian noise

Counted and computed, with no image and no key.
"""

import argparse
import math
from collections.abc import Iterator

from scipy.stats import norm

from vitcrypt.encryption import ELE, LE, PE, EtC, PEViTRS, Plain, Proposed, Scheme

SIZES = ((32, 4), (224, 16))
SIGMAS = (16, 32, 64, 128, 256, 512, 2048)
BRIGHTER = 8  # two images that differ by so much in every value


def keys() -> Iterator[list[str]]:
    """Yield rows: keys, what determines a map, and what leaks with a key each."""
    yield ["scheme", "image / block", "symbols", "key, bits", "pairs", "bits, at most", "of bits", "hidden, %"]
    for side, block in SIZES:
        schemes: list[Scheme] = [Plain(), PE(channel_shuffle=False), PE(), LE(block), ELE(block), EtC(block)]
        for scheme in [*schemes, Proposed(block), PEViTRS(block)]:
            shape = (3, side, side)
            every, leak = 8 * math.prod(shape), scheme.leak_bits(shape)
            assert leak is not None
            symbols = math.prod(shape) * (2 if scheme.properties.linear == "nibbles" else 1)
            each = scheme.properties.key_scopes == ("per_image",)
            name = "pe, signs only" if getattr(scheme, "channel_shuffle", True) is False else scheme.name
            pairs = "" if each or scheme.is_plain else f"{symbols + 1:,}"
            size = f"{side} / {scheme.block_size}" if scheme.block_size > 1 else str(side)
            told = [f"{symbols:,}", f"{scheme.key_space_bits(shape):,.0f}", pairs, f"{leak:,.0f}", f"{every:,}"]
            yield [name, size, *told, f"{100 * (1 - leak / every):.1f}"]


def noise() -> Iterator[list[str]]:
    """Yield rows: Gaussian noise on every value of a 32 x 32 image."""
    values = 3 * 32**2
    distance = BRIGHTER * math.sqrt(values)
    yield ["sigma", "dFIL a value", "error of the best test", "error, at least", "bits, at most"]
    for sigma in SIGMAS:
        error = float(norm.cdf(-distance / (2 * sigma)))
        bound = math.exp(-(distance**2) / (4 * sigma**2)) / 4
        bits = values / 2 * math.log2(1 + (255 / 2) ** 2 / sigma**2)
        yield [str(sigma), f"{1 / sigma**2:.1e}", f"{error:.2g}", f"{bound:.2g}", f"{min(bits, 8 * values):,.0f}"]


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("keys", "noise"))
    heading, *rows = {"keys": keys, "noise": noise}[parser.parse_args().table]()
    for row in [heading, ["---", *["---:"] * (len(heading) - 1)], *rows]:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
