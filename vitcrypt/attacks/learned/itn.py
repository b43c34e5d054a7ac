"""The inverse transformation network attack: learn to decrypt from images that the attacker encrypts themselves.

`unet` is the attack of Ito, Kinoshita, Kiya, IEEE Access 9:64629, 2021; `block` the form in which the group runs it on
keyed schemes. Public images are encrypted under random keys, and a network learns the way back; then it is applied to
the victim's images under the victim's one key. `keys="fixed"` is as in the group's code: one key for each public image,
for ever, which a large network may learn by heart. `keys="fresh"` draws another one whenever an image is seen.

`orbit` is not published: its network sees what no key changes and nothing else (vitcrypt/models/orbit.py), which is all
that a ciphertext under a key of its own tells.

The public code of `block` fits sigmoid(tanh(z)) to targets in [-1, 1] and evaluates without the sigmoid, and pairs
files in the order of the file system; here output and target share a range, and pairs are pairs.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from vitcrypt.attacks.learned import loop, memory, own_keys
from vitcrypt.attacks.learned.networks import BlockInverse, OrbitInverse
from vitcrypt.attacks.learned.training import Best, Part, Training, check_sizes, described
from vitcrypt.attacks.observation import Budget, Observation, Reconstruction
from vitcrypt.encryption.unet import UNet
from vitcrypt.models.orbit import TOKENS
from vitcrypt.untrusted.text import console


class Recipe(NamedTuple):
    """How a network is trained.

    `milestones` are epochs of `epochs`, after which the learning rate falls to a fifth; `loss` is the squared error
    that counts, as a share of that on [-1, 1]: on [0, 1], where the U-Net's is published, it is a quarter. `sgd` has
    momentum 0.9; otherwise it is AdamW.
    """

    epochs: int
    rate: float
    milestones: tuple[int, ...]
    flips: bool
    loss: float
    sgd: bool = True


RECIPES = {
    "block": Recipe(50, 0.01, (), False, 1.0),  # milestones as below, which 50 epochs do not reach
    "unet": Recipe(200, 0.1, (60, 120, 160), True, 0.25),
    "orbit": Recipe(50, 1e-3, (25, 40), True, 1.0, sgd=False),
}
HELD_OUT = 10  # every tenth public image is for validation
PUBLISHED_IMAGES, PUBLISHED_BATCH = 45_000, 128  # 352 steps an epoch: 17,600 of `block`, 70,400 of `unet`


@dataclass(frozen=True)
class ITN:
    """Train on pairs of the attacker's own, keep the network that is best on held-out ones, apply it.

    Args:
        network: "block", the group's small network; "unet"; or "orbit", for the schemes whose orbits are known.
        width: Channels of the first layer; None: as published (48 at blocks of 4 x 4, and 64 for the U-Net), and 128
            of "orbit".
        levels: Levels of the U-Net, five as published; the image's sides must divide by 2^(levels - 1).
        keys: "fixed", a key for each public image, as in the public code; "fresh", another one in every epoch.
        epochs: Passes over the public images; None: as published, 50 and 200; of "orbit" 50. The schedule is
            stretched to it.
        batch_size: Images per step.
        learning_rate: Of SGD with momentum 0.9; None: as published, 0.01 and 0.1. Of AdamW for "orbit": 0.001.
        seed: Seed of initialisation, order, flips and the attacker's own keys.
        device: "cpu", "cuda" or "auto".
        checkpoint: A file from which a training that was broken off goes on. Its owner removes it in the end.
    """

    network: Literal["block", "unet", "orbit"] = "block"
    width: int | None = None
    levels: int = 5
    keys: Literal["fixed", "fresh"] = "fixed"
    epochs: int | None = None
    batch_size: int = 128
    learning_rate: float | None = None
    seed: int = 0
    device: str = field(default="auto", repr=False)
    checkpoint: Path | None = field(default=None, repr=False)
    name = "itn"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs at least 20 public images; encrypts them under random keys of its own.

        Raises:
            ValueError: Something is missing, or the device's memory is too small.
        """
        public: Tensor = observation.need(self.name, "public_images", images=True).cpu()
        self._check(observation, len(public))
        device, best = loop.pick_device(self.device), Best()
        console.print(f"  {self._memory(observation).check(device)}")
        pairs = Pairs(self, observation, public, device)
        with loop.seeded(self.seed) as random:
            network = self._build(observation).to(device)
            trained = self._train(network, best, pairs, random, described(self, observation), device)
            network.load_state_dict(best.network)
            images = loop.apply(network, observation.ciphertexts, self.batch_size, device)
        return Reconstruction(
            images,
            details={"own_pairs": len(public), "validation_loss": best.loss},
            spent=Budget(trained.steps, len(pairs.trained), memory.parameters(network)),
            published=self._published(observation),
            earlier=trained.earlier,
        )

    def _train(
        self, network: nn.Module, best: Best, pairs: "Pairs", random: torch.Generator, what: str, device: str
    ) -> Training:
        """Train a network and keep the best; return the training, which is at its end."""
        recipe = RECIPES[self.network]
        epochs, rate = self.epochs or recipe.epochs, self.learning_rate or recipe.rate
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(network.parameters(), rate)
        if recipe.sgd:
            optimizer = torch.optim.SGD(network.parameters(), rate, momentum=0.9, weight_decay=5e-4)
        parts: dict[str, Part] = {"network": network, "optimizer": optimizer, "best": best}
        training = Training(what, parts, random, device, self.checkpoint)
        for epoch in training.epochs(epochs, "inverse transformation network"):
            passed = sum(epoch * recipe.epochs >= milestone * epochs for milestone in recipe.milestones)
            optimizer.param_groups[0]["lr"] = rate * 0.2**passed
            network.train()
            for chosen in training.batches(len(pairs.trained), self.batch_size):
                plain, encrypted = pairs.batch(pairs.trained[chosen], random)
                with loop.autocast(device):
                    restored = network(encrypted)
                loop.step(optimizer, recipe.loss * mse_loss(restored.float(), plain))
            best.offer(recipe.loss * pairs.validate(network, self.batch_size), network)
        return training

    def _check(self, observation: Observation, count: int) -> None:
        height, width = observation.shape[1:]
        if self.network not in RECIPES:
            raise ValueError(f"network must be 'block', 'unet' or 'orbit', got {self.network!r}")
        if self.network == "orbit" and (name := observation.scheme.name) not in TOKENS:
            raise ValueError(f"the orbits of {name} are not known, those of {', '.join(TOKENS)} are; set network=unet")
        if self.keys not in ("fixed", "fresh"):
            raise ValueError(f"keys must be 'fixed' or 'fresh', got {self.keys!r}")
        check_sizes(self.name, self.epochs, self.batch_size)
        if self.network == "unet" and (height % 2 ** (self.levels - 1) or width % 2 ** (self.levels - 1)):
            raise ValueError(
                f"a U-Net of {self.levels} levels cannot halve {height} x {width} so often; set fewer levels"
            )
        if count < 2 * HELD_OUT:
            raise ValueError(f"itn needs at least {2 * HELD_OUT} public images, a tenth for validation; got {count}")

    def _build(self, observation: Observation) -> nn.Module:
        channels = observation.shape[0]
        if self.network == "block":
            return BlockInverse(channels, observation.scheme.block_size, self.width)
        if self.network == "orbit":
            return OrbitInverse(observation.scheme, observation.shape, self.width or 128)
        return UNet(channels, self.width or 64, self.levels)

    def _memory(self, observation: Observation) -> memory.Memory:
        with loop.seeded(0), torch.device("meta"):
            network = self._build(observation)
            batch = memory.blank(observation.shape, self.batch_size)
            _, kept = memory.kept(network, batch, loop.pick_device(self.device))
        return memory.Memory(memory.parameters(network), 1 if RECIPES[self.network].sgd else 2, kept)

    def _published(self, observation: Observation) -> Budget | None:
        """Return steps, training images and parameters of the publication; `orbit` has none.

        50,000 images, a tenth held out, in batches of 128, for 50 epochs (`block`) or 200 (`unet`). Nothing is
        published above 32 x 32: there the same recipe counts, and of `block` as many channels as a block has values.
        """
        if self.network == "orbit":
            return None
        with loop.seeded(0), torch.device("meta"):
            size = memory.parameters(ITN(self.network)._build(observation))
        steps = RECIPES[self.network].epochs * -(-PUBLISHED_IMAGES // PUBLISHED_BATCH)
        return Budget(steps, PUBLISHED_IMAGES, size)


class Pairs:
    """Plain images and their encryptions under keys of the attacker's own.

    Attributes:
        trained: Positions of the images that are trained on; the others are for validation, under fixed keys.
    """

    def __init__(self, attack: ITN, observation: Observation, public: Tensor, device: str) -> None:
        self._scheme, self._shape, self._public, self._device = observation.scheme, observation.shape, public, device
        self._flips, self._fresh = RECIPES[attack.network].flips, attack.keys == "fresh"
        random = torch.Generator().manual_seed(attack.seed)  # apart, so that a resumed attack has the same pairs
        order = torch.randperm(len(public), generator=random)
        self._held, self.trained = order[: len(public) // HELD_OUT], order[len(public) // HELD_OUT :]
        needed = self._held if self._fresh else torch.arange(len(public))
        self._place = torch.zeros(len(public), dtype=torch.int64)
        self._place[needed] = torch.arange(len(needed))
        self._encrypted = torch.cat([self._encrypt(public[part], random).cpu() for part in torch.split(needed, 128)])

    def batch(self, positions: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return plain and encrypted images as float [-1, 1] on the device.

        Under fixed keys both are mirrored, as published; with fresh ones the image is, before it is encrypted.
        """
        plain = self._public[positions]
        if self._fresh:
            plain = (loop.flip(plain, random) if self._flips else plain).to(self._device)
            return loop.to_signal(plain), loop.to_signal(self._encrypt(plain, random))
        both = torch.stack([plain, self._encrypted[self._place[positions]]], 1)
        plain, encrypted = (loop.flip(both, random) if self._flips else both).to(self._device).unbind(1)
        return loop.to_signal(plain), loop.to_signal(encrypted)

    @torch.no_grad()
    def validate(self, network: nn.Module, batch_size: int) -> float:
        """Return the squared error on the held-out images."""
        network.eval()
        total = 0.0
        for part in torch.split(self._held, batch_size):
            plain, encrypted = (x.to(self._device) for x in (self._public[part], self._encrypted[self._place[part]]))
            with loop.autocast(self._device):
                restored = network(loop.to_signal(encrypted))
            total += float(mse_loss(restored.float(), loop.to_signal(plain))) * len(part)
        return total / len(self._held)

    def _encrypt(self, plain: Tensor, random: torch.Generator) -> Tensor:
        subkeys = own_keys.draw(self._scheme, self._shape, len(plain), random, self._device)
        return own_keys.encrypt(self._scheme, plain.to(self._device), subkeys)
