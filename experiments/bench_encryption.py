"""Speed of every encryption beside a plain copy of the same bytes, on this machine.

    python experiments/bench_encryption.py [--batch 512] [--size 224] [--device cpu]

Prints, for each scheme, the median time of a batch, images a second, and the ratio to `clone` of the same tensor, all
measured in turns within one run: read the ratios, the milliseconds are this machine's.
"""

import argparse
import statistics
import time

import torch
from rich.console import Console
from rich.table import Table

from vitcrypt.encryption import SCHEMES, ImageEncryption
from vitcrypt.keys import Key


def seconds(function, image: torch.Tensor) -> float:
    """Time one call, the device's work included."""
    synchronise = torch.cuda.synchronize if image.is_cuda else lambda: None
    synchronise()
    started = time.perf_counter()
    function(image)
    synchronise()
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--block", type=int, help="default: 16 at 224 pixels, else 4")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    shape = (3, arguments.size, arguments.size)
    block = arguments.block or (16 if arguments.size % 16 == 0 and arguments.size >= 64 else 4)
    image = torch.randint(0, 256, (arguments.batch, *shape), dtype=torch.uint8).to(arguments.device)
    rows = {"clone": torch.clone}
    for name, scheme in SCHEMES.items():
        if name != "plain":
            options = {} if name == "pe" else {"block_size": block}
            rows[name] = ImageEncryption(scheme(**options), Key.test("test-0"), shape).to(arguments.device)
    times: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(arguments.rounds + 1):
        for name, function in rows.items():
            times[name].append(seconds(function, image))
    medians = {name: statistics.median(measured[1:]) for name, measured in times.items()}  # the first warms up
    device = torch.cuda.get_device_name() if image.is_cuda else f"CPU, {torch.get_num_threads()} threads"
    table = Table(
        title=f"{arguments.batch} x 3 x {arguments.size} x {arguments.size} uint8, blocks of {block}; {device}"
    )
    for column in ("", "ms a batch", "images/s", "x clone"):
        table.add_column(column, justify="right")
    for name, median in medians.items():
        ratio = median / medians["clone"]
        table.add_row(name, f"{1000 * median:.2f}", f"{arguments.batch / median:,.0f}", f"{ratio:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
