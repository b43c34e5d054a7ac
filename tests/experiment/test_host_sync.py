"""What a step does on the device never waits for the host.

On the device "meta" tensors have no values: `.item()`, `.cpu()`, `.tolist()`, `.numpy()`, a condition, and `nonzero`
or whatever else makes a shape out of values raise an error there, as they would wait on a GPU.
"""

import pytest
import torch
from torch import nn

from vitcrypt.data import ArrayDataset, ImageDataModule, Splits
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed
from vitcrypt.keys import Key
from vitcrypt.models import ImageClassifier

SOME = ArrayDataset(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1).long(), torch.zeros(1).long())
META = torch.device("meta")
WAITS = {
    "item": lambda values: values[0].item(),
    "cpu": lambda values: values.cpu(),
    "list": lambda values: values.tolist(),
    "condition": lambda values: bool(values[0]),
    "nonzero": lambda values: values.nonzero(),
    "mask": lambda values: values[values > 0],
}


@pytest.mark.parametrize("wait", WAITS)
def test_whatever_would_wait_is_an_error_here(wait):
    with pytest.raises((RuntimeError, NotImplementedError)):
        WAITS[wait](torch.zeros(4, device=META))


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("scheme", [Plain(), Proposed(4), PE(), EtC(4), LE(4), ELE(4)], ids=lambda scheme: scheme.name)
def test_preparing_a_batch_waits_for_nothing(scheme, size):
    encryption = ImageEncryption(scheme, Key.test("test-0"), (3, size, size)).to(META)
    data = ImageDataModule(
        Splits(SOME, SOME, ["0"]), size, encryption=encryption, batch_size=4, crop_padding=1, flip=True
    )
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8, device=META)
    prepared = data.prepare(images, torch.arange(4, device=META), training=True)
    assert (prepared.shape, prepared.device) == ((4, 3, size, size), META)


@pytest.mark.parametrize("mixed", [{}, {"mixup": 0.5, "cutmix": 0.5}], ids=str)
def test_a_step_of_training_waits_for_nothing(mixed):
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    classifier = ImageClassifier(network, 4, torch.optim.SGD, **mixed).to(META)
    batch = {"image": torch.zeros(5, 3, 8, 8, device=META), "label": torch.zeros(5, dtype=torch.int64, device=META)}
    classifier.training_step(batch, batch_idx=1).backward()
