"""What a patch embedding per position or on nibbles costs beside the shared one: parameters, memory, time of a step.

    PYTHONPATH=experiments python -m benchmarks.patch_embedding     # ViT-B/16 at 224, batch 32, on a GPU if it can
    PYTHONPATH=experiments python -m benchmarks.patch_embedding 8   # another batch

Memory with AdamW counts weights, gradients and both moments. Time is that of the embedding alone, forward and backward,
the median of 5. Recorded: docs/key-adapted.md.
"""

import sys
import time

import timm
import torch
from rich.console import Console
from rich.table import Table

from vitcrypt.models import widen
from vitcrypt.models.patch_embedding import PATCH_EMBEDDINGS

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def milliseconds(embedding: torch.nn.Module, images: torch.Tensor) -> float:
    """Return the median time of a forward and backward pass."""
    times = []
    for _ in range(6):
        started = time.perf_counter()
        embedding(images).sum().backward()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - started))
    return sorted(times[1:])[2]


def main(batch: int) -> None:
    """Print a table."""
    images = torch.randint(0, 256, (batch, 3, 224, 224), device=DEVICE) / 127.5 - 1
    table = Table(title=f"Patch embedding of ViT-B/16, batch {batch}, {DEVICE}, {torch.get_num_threads()} threads")
    for column in ("kind", "parameters", "MiB (float32)", "with AdamW, MiB", "forward + backward, ms"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    for kind in PATCH_EMBEDDINGS:
        network = timm.create_model("vit_base_patch16_224", num_classes=0, depth=1)
        widen(network, kind)
        embedding = network.patch_embed.to(DEVICE)
        count = sum(p.numel() for p in embedding.parameters())
        spent = milliseconds(embedding, images)
        table.add_row(kind, f"{count:,}", f"{count / 2**18:,.1f}", f"{count / 2**16:,.1f}", f"{spent:,.1f}")
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 32)
