"""Images that tell their indices, the data module on them, and a module that keeps what arrives in a Trainer."""

import torch
from lightning import LightningModule
from samples import noise_tensor as noise
from torch import nn

from vitcrypt.data import ArrayDataset, ImageDataModule
from vitcrypt.encryption import ImageEncryption, Proposed
from vitcrypt.keys import Key

KEY = Key.test("test-0")
SHAPE = (3, 16, 16)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def arrays(count, first=0, side=8):
    """Return images, no two of which are alike, with labels that their indices tell."""
    index = torch.arange(count) + first
    return ArrayDataset(noise(count, 3, side, side, seed=first % 101), index % 7, index)


def encrypting(scheme=None, key_scope="shared"):
    return ImageEncryption(scheme or Proposed(block_size=4), KEY, SHAPE, key_scope)


def module_of(splits, encryption=None, **options):
    return ImageDataModule(splits, **{"image_size": 16, "encryption": encryption, "batch_size": 8, **options})


def levels(image):
    """Undo the normalisation."""
    return ((image.float() + 1) * 127.5).round().to(torch.uint8)


class Recorder(LightningModule):
    """Keep every batch that arrives."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.seen = {}

    def keep(self, stage, batch):
        self.seen.setdefault(stage, []).append({name: batch[name].clone() for name in ("image", "label", "index")})
        return self.weight * batch["image"].mean()

    def training_step(self, batch, batch_idx):
        return self.keep(("train", self.current_epoch), batch)

    def validation_step(self, batch, batch_idx):
        self.keep("sanity" if self.trainer.sanity_checking else "val", batch)

    def test_step(self, batch, batch_idx):
        self.keep("test", batch)

    def predict_step(self, batch, batch_idx):
        self.keep("predict", batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def together(self, stage):
        """Return what arrived in a stage as one batch."""
        return {name: torch.cat([batch[name] for batch in self.seen[stage]]) for name in self.seen[stage][0]}


def same(one, other):
    """Return whether two lists of batches are equal to the bit."""
    return len(one) == len(other) and all(
        torch.equal(a[name], b[name])
        for a, b in zip(one, other, strict=True)
        for name in ("image", "label", "index", *(a.keys() ^ b.keys()))
    )


def of_index(dataset, index):
    """Return images and labels of a data set by their indices."""
    position = {name: i for i, name in enumerate(dataset.index.tolist())}
    batch = dataset.batch([position[name] for name in index.tolist()])
    return batch["image"], batch["label"]
