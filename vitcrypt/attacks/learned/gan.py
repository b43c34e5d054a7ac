"""The GAN attack: learn to make plain-looking images of ciphertexts, without any pair.

The attacker has ciphertexts, all under one unknown key, and unpaired public images. A generator maps ciphertexts to
images, a discriminator tells these from the public ones. `sia` is SIA-GAN (Madono et al., IEEE Access 9:129385, 2021):
hinge loss, and a classifier that predicts the intercepted labels from the generated images. `small` is the DCGAN-like
form in which the group of the paper runs it: a network that sees one block at a time, and binary cross-entropy.
`nibbles` is not published: the same against LE alone, by an attacker who uses what they know of it, that it moves and
complements nibbles, so that one affine map of the nibbles of a block is its inverse.
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
    SmallClassifier,
    SmallDiscriminator,
)
from vitcrypt.attacks.observation import Observation, Reconstruction

# learning rates of generator and discriminator, and the betas of Adam; published for `sia` and `small`
RATES = {
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
        label_weight: Weight of the classifier's cross-entropy in `sia` (1 in the published code); needs labels if not
            0. The published classifier is a ShakeDrop PyramidNet-110; this one has four layers.
        epochs: Passes over the ciphertexts (published: 100 for `sia`, 25 for `small`).
        batch_size: Images per step.
        seed: Seed of initialisation and order.
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
        """Needs public images, and labels where `label_weight` is not 0."""
        if self.variant not in RATES:
            raise ValueError(f"variant must be one of {', '.join(RATES)}; got {self.variant!r}")
        schemes = ("le",) if self.variant == "nibbles" else ()
        public: Tensor = observation.need(self.name, "public_images", schemes=schemes, shared=True)
        labels: Tensor | None = None
        if self.variant == "sia" and self.label_weight:
            labels = observation.need(self.name, "labels")
        if min(len(observation.ciphertexts), len(public)) < 2:
            raise ValueError("gan needs at least 2 ciphertexts and 2 public images")
        if self.variant != "sia" and min(observation.shape[1:]) < 24:
            raise ValueError(f"gan needs images of at least 24 x 24 pixels, got {list(observation.shape[1:])}")
        device = loop.pick_device(self.device)
        with loop.seeded(self.seed) as random:
            generator = self._train(observation, public.cpu(), labels, random, device)
            images = loop.apply(generator, observation.ciphertexts, self.batch_size, device)
        return Reconstruction(images, details={"epochs": self.epochs})

    def _train(
        self, observation: Observation, public: Tensor, labels: Tensor | None, random: torch.Generator, device: str
    ) -> nn.Module:
        ciphertexts, hinge = observation.ciphertexts.cpu(), self.variant == "sia"
        generator, discriminator, classifier = (part.to(device) for part in self._networks(observation, labels))
        (rate, discriminator_rate), betas = RATES[self.variant]
        optimizer = torch.optim.Adam([*generator.parameters(), *classifier.parameters()], rate, betas)
        discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), discriminator_rate, betas)
        for _ in loop.epochs(self.epochs, "generative attack"):
            generator.train()
            for chosen in loop.batches(len(ciphertexts), self.batch_size, random):
                other = torch.randint(0, len(public), (len(chosen),), generator=random)
                encrypted, real = (loop.to_signal(x.to(device)) for x in (ciphertexts[chosen], public[other]))
                restored = generator(encrypted)
                loss = discriminator_loss(discriminator(restored.detach()), discriminator(real), hinge)
                loop.step(discriminator_optimizer, loss)
                loss = generator_loss(discriminator(restored), hinge)
                if labels is not None:
                    truth = labels[chosen].to(device)
                    loss = loss + self.label_weight * cross_entropy(classifier(restored), truth)
                loop.step(optimizer, loss)
        return generator

    def _networks(self, observation: Observation, labels: Tensor | None) -> tuple[nn.Module, nn.Module, nn.Module]:
        """Return generator, discriminator and classifier, the last one empty without labels."""
        channels, block_size = observation.shape[0], observation.scheme.block_size
        if self.variant != "sia":
            inverse = BlockInverse if self.variant == "small" else NibbleInverse
            discriminator = SmallDiscriminator(channels, max(8, int(64 * self.width)))
            return inverse(channels, block_size), discriminator, nn.Identity()
        blocks = observation.scheme.num_blocks(observation.shape)
        return (
            SIAGenerator(channels, block_size, blocks, max(16, int(64 * self.width))),
            SIADiscriminator(channels, max(8, int(128 * self.width))),
            nn.Identity()
            if labels is None
            else SmallClassifier(channels, int(labels.max()) + 1, max(8, int(64 * self.width))),
        )


def discriminator_loss(restored: Tensor, real: Tensor, hinge: bool) -> Tensor:
    """Return the loss of a discriminator, given its scores of restored and of real images."""
    if hinge:
        return relu(1 + restored).mean() + relu(1 - real).mean()
    return _cross_entropy(restored, 0.0) + _cross_entropy(real, 1.0)


def generator_loss(restored: Tensor, hinge: bool) -> Tensor:
    """Return the loss of a generator, given the discriminator's scores of its images."""
    return -restored.mean() if hinge else _cross_entropy(restored, 1.0)


def _cross_entropy(logits: Tensor, target: float) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
