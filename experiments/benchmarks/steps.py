"""What encryption costs where it is used: in the way of the data, and in a step of training."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.timing import Row, compare
from vitcrypt.data import ArrayDataset, ImageDataModule, Splits
from vitcrypt.encryption import ImageEncryption, Proposed
from vitcrypt.keys import Key

PLAIN, ENCRYPTED, COMPILED = "without encryption", "with (proposed)", "with, data.compile=true"


def pipeline(device: str, batch: int, image_size: int, block_size: int, rounds: int, compiled: bool) -> list[Row]:
    """Time augment, resize from 32, encrypt and normalise of a batch, with encryption and without."""
    images, index = _cifar_like(batch).to(device), torch.arange(batch, device=device)
    calls = {
        name: partial(data.prepare, images, index, training=True)
        for name, data in _ways(image_size, block_size, device, compiled).items()
    }
    return compare(f"the way of the data: {batch} images of 32 to {image_size}", calls, PLAIN, batch, rounds)


def step(
    network: nn.Module, name: str, device: str, batch: int, image_size: int, block_size: int, rounds: int
) -> list[Row]:
    """Time a whole step of training, from uint8 images to new weights, with encryption and without.

    Args:
        network: float [B, 3, S, S] -> logits [B, 10]; trained in bf16 on a GPU, in float32 elsewhere.
        name: Of the network.
        device: Where.
        batch: Images in a step.
        image_size: S.
        block_size: Of the encryption.
        rounds: How often.
    """
    network = network.to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.9, fused=True)
    images, labels = _cifar_like(batch).to(device), torch.arange(batch, device=device) % 10
    index = torch.arange(batch, device=device)

    def train(data: ImageDataModule) -> None:
        prepared = data.prepare(images, index, training=True)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=device != "cpu"):
            loss = F.cross_entropy(network(prepared), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    calls = {way: partial(train, data) for way, data in _ways(image_size, block_size, device, False).items()}
    return compare(f"a step of {name}: {batch} images of 32 to {image_size}", calls, PLAIN, batch, rounds)


def _ways(image_size: int, block_size: int, device: str, compiled: bool) -> dict[str, ImageDataModule]:
    some = ArrayDataset(_cifar_like(1), torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
    encryption = ImageEncryption(Proposed(block_size), Key.test("test-0"), (3, image_size, image_size)).to(device)
    module = partial(ImageDataModule, Splits(some, some, ["0"]), image_size, batch_size=1, crop_padding=4, flip=True)
    ways = {PLAIN: module(encryption=None), ENCRYPTED: module(encryption=encryption)}
    return ways | ({COMPILED: module(encryption=encryption, compile=True)} if compiled else {})


def _cifar_like(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
