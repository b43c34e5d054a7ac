"""The GAN attack: learn to make plain-looking images of ciphertexts, without any pair.

The attacker has ciphertexts, all under one unknown key, and unpaired public images. A generator maps ciphertexts to
images, a discriminator tells these from the public ones. `sia` is SIA-GAN (Madono et al., IEEE Access 9:129385, 2021):
hinge loss, and a classifier that reads the intercepted labels off the generated images. `small` is the DCGAN-like form
in which the group of the paper runs it: a network that sees one block at a time, and binary cross-entropy. `nibbles` is
not published: the same against LE alone, by an attacker who uses what he knows of it, that it moves and complements
nibbles, so that one affine map of the nibbles of a block is its inverse.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, relu

from vitcrypt.attacks.learned import loop
from vitcrypt.attacks.learned.networks import (
    BlockInverse,
    NibbleInverse,
    SIADiscriminator,
    SIAGenerator,
    SmallDiscriminator,
)
from vitcrypt.attacks.observation import Observation, Reconstruction

RATES = {  # of generator and discriminator, and the betas of Adam; published for `sia` and `small`
    "sia": ((1e-4, 4e-4), (0.0, 0.9)),
    "small": ((2e-4, 2e-4), (0.5, 0.999)),
    "nibbles": ((1e-3, 2e-4), (0.5, 0.999)),
}


@dataclass(frozen=True)
class GAN:
    """Train generator and discriminator on what is held, apply the generator to the ciphertexts.

    Args:
        variant: "sia", "small" or "nibbles".
        width: Channels of the discriminator, and of the generator of `sia`, as a share of the published ones.
        label_weight: Of the classifier's cross-entropy in `sia` (1 in the published code); needs labels if not 0. The
            published classifier is a ShakeDrop PyramidNet-110; this one has four convolutions.
        epochs: Over the ciphertexts (published: 100 for `sia`, 25 for `small`).
        batch_size: Images a step.
        seed: Of initialisation and order.
        device: "cpu", "cuda" or "auto".
    """

    variant: Literal["sia", "small", "nibbles"] = "sia"
    width: float = 1.0
    label_weight: float = 0.0
    epochs: int = 100
    batch_size: int = 64
    seed: int = 0
    device: str = "auto"
    name = "gan"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs public images, and labels where their weight is not 0."""
        if self.variant not in RATES:
            raise ValueError(f"variant is one of {', '.join(RATES)}; got {self.variant!r}")
        only = ("le",) if self.variant == "nibbles" else ()
        observation.need(self.name, part="public_images", schemes=only, shared=True)
        if self.variant == "sia" and self.label_weight:
            observation.need(self.name, part="labels")
        assert observation.public_images is not None
        if min(len(observation.ciphertexts), len(observation.public_images)) < 2:
            raise ValueError("gan needs at least 2 ciphertexts and 2 public images")
        if self.variant != "sia" and min(observation.shape[1:]) < 24:
            raise ValueError(f"gan needs images of at least 24 x 24 pixels, got {list(observation.shape[1:])}")
        device = loop.pick_device(self.device)
        with loop.seeded(self.seed) as generator:
            network = self._train(observation, generator, device)
            images = loop.apply(network, observation.ciphertexts, self.batch_size, device)
        return Reconstruction(images, details={"epochs": self.epochs})

    def _train(self, observation: Observation, generator: torch.Generator, device: str) -> nn.Module:
        assert observation.public_images is not None
        ciphertexts, public = observation.ciphertexts.cpu(), observation.public_images.cpu()
        maker, judge, reader = (network.to(device) for network in self._networks(observation))
        made = [*maker.parameters(), *reader.parameters()]
        rates, betas = RATES[self.variant]
        making, judging = torch.optim.Adam(made, rates[0], betas), torch.optim.Adam(judge.parameters(), rates[1], betas)
        for _ in loop.epochs(self.epochs, "generative attack"):
            maker.train()
            for chosen in loop.batches(len(ciphertexts), self.batch_size, generator):
                other = torch.randint(0, len(public), (len(chosen),), generator=generator)
                encrypted, real = (loop.to_signal(x.to(device)) for x in (ciphertexts[chosen], public[other]))
                restored = maker(encrypted)
                judging.zero_grad(set_to_none=True)
                self._judged(judge(restored.detach()), judge(real)).backward()
                judging.step()
                making.zero_grad(set_to_none=True)
                loss = self._deceived(judge(restored))
                if self.label_weight and observation.labels is not None and self.variant == "sia":
                    labels = observation.labels[chosen].to(device)
                    loss = loss + self.label_weight * cross_entropy(reader(restored), labels)
                loss.backward()
                making.step()
        return maker

    def _networks(self, observation: Observation) -> tuple[nn.Module, nn.Module, nn.Module]:
        channels, block_size = observation.shape[0], observation.scheme.block_size
        if self.variant != "sia":
            inverse: type[nn.Module] = BlockInverse if self.variant == "small" else NibbleInverse
            judge: nn.Module = SmallDiscriminator(channels, max(8, int(64 * self.width)))
            return inverse(channels, block_size), judge, nn.Identity()
        blocks = observation.scheme.num_blocks(observation.shape)
        maker = SIAGenerator(channels, block_size, blocks, max(16, int(64 * self.width)))
        judge = SIADiscriminator(channels, max(8, int(128 * self.width)))
        classes = 1 if observation.labels is None else int(observation.labels.max()) + 1
        return maker, judge, _reader(channels, classes, max(8, int(64 * self.width)))

    def _judged(self, restored: Tensor, real: Tensor) -> Tensor:
        if self.variant == "sia":
            return relu(1 + restored).mean() + relu(1 - real).mean()
        return _said(restored, 0.0) + _said(real, 1.0)

    def _deceived(self, restored: Tensor) -> Tensor:
        return -restored.mean() if self.variant == "sia" else _said(restored, 1.0)


def _said(logits: Tensor, truth: float) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, truth))


def _reader(channels: int, classes: int, width: int) -> nn.Sequential:
    """Return a small classifier."""
    layers: list[nn.Module] = []
    for before, after in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes))
