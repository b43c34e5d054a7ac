"""The GAN attack: learn to make plain-looking images of ciphertexts, without any pair.

The attacker has ciphertexts, all under one unknown key, and unpaired public images. A generator maps ciphertexts to
images, a discriminator tells these from the public ones. `sia` is SIA-GAN (Madono et al., IEEE Access 9:129385, 2021):
hinge loss, and a classifier that predicts the intercepted labels from the generated images, trained along. `small` is
the DCGAN-like form in which the group of the paper runs it: a network that sees one block at a time, and binary
cross-entropy. `nibbles` is not published: the same against LE alone, by an attacker who uses what they know of it, that
it moves and complements nibbles, so that one affine map of the nibbles of a block is its inverse.
"""

from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, relu

from vitcrypt.attacks.learned import loop, memory
from vitcrypt.attacks.learned.networks import BlockInverse, NibbleInverse, SmallDiscriminator, initialise_as_dcgan
from vitcrypt.attacks.learned.sia import SIADiscriminator, SIAGenerator
from vitcrypt.attacks.learned.training import Part, Training, check_sizes, described
from vitcrypt.attacks.observation import Budget, Observation, Reconstruction
from vitcrypt.untrusted.text import console


class Recipe(NamedTuple):
    """How a variant is trained: the learning rates of Adam, its betas, and epochs of 50,000 images."""

    rate: float
    discriminator_rate: float
    betas: tuple[float, float]
    epochs: int


RECIPES = {
    "sia": Recipe(1e-4, 4e-4, (0.0, 0.9), 100),
    "small": Recipe(2e-4, 2e-4, (0.5, 0.999), 25),
    "nibbles": Recipe(1e-3, 2e-4, (0.5, 0.999), 25),
}
PUBLISHED_IMAGES, PUBLISHED_BATCH = 50_000, 64  # 782 steps an epoch: 78,200 of `sia`, 19,550 of `small`
LARGEST = 32  # side of the images that the classifier sees; larger ones are averaged down to it


class Networks(NamedTuple):
    """What is trained; the classifier only with labels."""

    generator: nn.Module
    discriminator: nn.Module
    classifier: nn.Module | None


@dataclass(frozen=True)
class GAN:
    """Train generator and discriminator on what is held, apply the generator to the ciphertexts.

    Args:
        variant: "sia", "small" or "nibbles".
        width: Channels of the discriminator, and of the generator and classifier of `sia`, as a share of the published
            ones. The classifier is ShakeDrop's PyramidNet-110 at 1 and a PyramidNet-8 below.
        maps: Of `sia`: "own", a map for each block, as published; "shared", one for all blocks, where own ones do not
            fit (617 M parameters at 224 x 224 and 16 x 16).
        label_weight: Weight of the classifier's cross-entropy in `sia`, 1 as published; needs labels if not 0.
        epochs: Passes over the ciphertexts; None: as published, 100 for `sia`, 25 for the others.
        batch_size: Ciphertexts per step, and as many public images.
        seed: Seed of initialisation, order and augmentation.
        device: "cpu", "cuda" or "auto".
        checkpoint: A file from which a training that was broken off goes on. Its owner removes it in the end.
    """

    variant: Literal["sia", "small", "nibbles"] = "sia"
    width: float = 1.0
    maps: Literal["own", "shared"] = "own"
    label_weight: float = 1.0
    epochs: int | None = None
    batch_size: int = 64
    seed: int = 0
    device: str = field(default="auto", repr=False)
    checkpoint: Path | None = field(default=None, repr=False)
    name = "gan"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs public images, and labels with `sia` where `label_weight` is not 0.

        Raises:
            ValueError: Something is missing, or the device's memory is too small.
        """
        public, labels = self._needs(observation)
        device = loop.pick_device(self.device)
        console.print(f"  {self._memory(observation, labels).check(device)}")
        epochs = self.epochs or RECIPES[self.variant].epochs
        with loop.seeded(self.seed) as random:
            networks = self._networks(observation, labels)
            nn.ModuleList(part for part in networks if part is not None).to(device)
            trained = self._train(networks, observation, public.cpu(), labels, random, epochs, device)
            images = loop.apply(networks.generator, observation.ciphertexts, self.batch_size, device)
        return Reconstruction(
            images,
            details={"epochs": epochs},
            spent=Budget(trained.steps, observation.count, memory.parameters(*networks[:2])),
            published=self._published(observation),
            earlier=trained.earlier,
        )

    def _needs(self, observation: Observation) -> tuple[Tensor, Tensor | None]:
        """Return public images and labels, after all checks."""
        if self.variant not in RECIPES:
            raise ValueError(f"variant must be one of {', '.join(RECIPES)}; got {self.variant!r}")
        if self.maps not in ("own", "shared"):
            raise ValueError(f"maps must be 'own' or 'shared', got {self.maps!r}")
        check_sizes(self.name, self.epochs, self.batch_size)
        schemes = ("le",) if self.variant == "nibbles" else ()
        public: Tensor = observation.need(self.name, "public_images", schemes=schemes, shared=True, images=True)
        labelled = self.variant == "sia" and self.label_weight
        labels: Tensor | None = observation.need(self.name, "labels") if labelled else None
        sides = observation.shape[1:]
        if min(len(observation.ciphertexts), len(public)) < 2:
            raise ValueError("gan needs at least 2 ciphertexts and 2 public images")
        if self.variant != "sia" and min(sides) < 24:
            raise ValueError(f"gan needs images of at least 24 x 24 pixels, got {list(sides)}")
        if self.variant == "sia" and (sides[0] % 8 or sides[1] % 8):
            raise ValueError(f"the discriminator of SIA-GAN halves images three times; {list(sides)} does not allow it")
        return public, labels

    def _train(
        self,
        networks: Networks,
        observation: Observation,
        public: Tensor,
        labels: Tensor | None,
        random: torch.Generator,
        epochs: int,
        device: str,
    ) -> Training:
        """Train the networks; return the training, which is at its end."""
        generator, discriminator, classifier = networks
        ciphertexts, recipe, sia = observation.all_ciphertexts.cpu(), RECIPES[self.variant], self.variant == "sia"
        trained = chain(generator.parameters(), classifier.parameters() if classifier else ())
        optimizer = torch.optim.Adam(trained, recipe.rate, recipe.betas)
        judging = torch.optim.Adam(discriminator.parameters(), recipe.discriminator_rate, recipe.betas)
        parts: dict[str, Part] = {name: part for name, part in networks._asdict().items() if part is not None}
        parts |= {"optimizer": optimizer, "judging": judging}
        training = Training(described(self, observation), parts, random, device, self.checkpoint)
        for _ in training.epochs(epochs, "generative attack"):
            for chosen in training.batches(len(ciphertexts), self.batch_size):
                other = public[torch.randint(0, len(public), (len(chosen),), generator=random)]
                real = loop.to_signal((loop.flip(loop.crop(other, random), random) if sia else other).to(device))
                encrypted = loop.to_signal(ciphertexts[chosen].to(device))
                with loop.autocast(device):
                    restored = generator(encrypted)
                    judged = discriminator(real), discriminator(restored.detach())
                loop.step(judging, discriminator_loss(judged[1].float(), judged[0].float(), sia))
                with loop.autocast(device):
                    score = discriminator(restored)
                    logits = classifier(restored) if classifier else None
                loss = generator_loss(score.float(), sia)
                if logits is not None and labels is not None:
                    loss = loss + self.label_weight * cross_entropy(logits.float(), labels[chosen].to(device))
                loop.step(optimizer, loss)
        return training

    def _networks(self, observation: Observation, labels: Tensor | None) -> Networks:
        """Build the networks on torch's default device, in training mode."""
        (channels, height, width), block_size = observation.shape, observation.scheme.block_size
        if self.variant == "nibbles":
            return Networks(
                NibbleInverse(channels, block_size), SmallDiscriminator(channels, max(8, int(64 * self.width))), None
            )
        if self.variant == "small":
            discriminator = SmallDiscriminator(channels, max(8, int(64 * self.width)))
            inverse = BlockInverse(channels, block_size)
            return Networks(inverse.apply(initialise_as_dcgan), discriminator.apply(initialise_as_dcgan), None)
        blocks = observation.scheme.num_blocks(observation.shape) if self.maps == "own" else 1
        generator = SIAGenerator(channels, block_size, blocks, max(16, int(64 * self.width)))
        judge = SIADiscriminator(channels, height, width, max(8, int(128 * self.width)))
        if labels is None:
            return Networks(generator, judge, None)
        from vitcrypt.models.shakedrop import PyramidNet  # torchvision takes seconds

        depth, alpha = (110, 270) if self.width >= 1 else (8, 24)
        classifier: nn.Module = PyramidNet(int(labels.max()) + 1, depth, alpha, in_chans=channels)
        if max(height, width) > LARGEST:
            classifier = nn.Sequential(nn.AdaptiveAvgPool2d(LARGEST), classifier)
        return Networks(generator, judge, classifier)

    def _memory(self, observation: Observation, labels: Tensor | None) -> memory.Memory:
        """Count what training needs: the discriminator sees real and restored images, then it and the classifier."""
        device = loop.pick_device(self.device)
        with loop.seeded(0), torch.device("meta"):
            generator, discriminator, classifier = self._networks(observation, labels)
            batch = memory.blank(observation.shape, min(self.batch_size, observation.count))
            restored, made = memory.kept(generator, batch, device)
            _, judged = memory.kept(discriminator, restored, device)
            sorted_ = memory.kept(classifier, restored, device)[1] if classifier else 0
        counted = memory.parameters(generator, discriminator, *([classifier] if classifier else []))
        return memory.Memory(counted, 2, made + max(2 * judged, judged + sorted_))

    def _published(self, observation: Observation) -> Budget | None:
        """Return steps, ciphertexts and parameters of the publication; `nibbles` has none.

        50,000 images in batches of 64, for 100 epochs (`sia`) or 25 (`small`); in the public code of `sia` half of a
        batch is encrypted and half is real. Nothing is published above 32 x 32: there the same recipe counts, with the
        published widths and, of `sia`, the maps that were chosen.
        """
        if self.variant == "nibbles":
            return None
        largest = max(observation.shape[1:])
        whole = GAN(self.variant, maps=self.maps if largest > LARGEST else "own")
        with loop.seeded(0), torch.device("meta"):
            size = memory.parameters(*whole._networks(observation, None)[:2])
        steps = RECIPES[self.variant].epochs * -(-PUBLISHED_IMAGES // PUBLISHED_BATCH)
        return Budget(steps, PUBLISHED_IMAGES, size)


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
