"""The inverse transformation network attack: learn to decrypt from images that the attacker encrypts themselves.

Ito, Kinoshita, Kiya, IEEE Access 9:64629, 2021, in the form in which the group runs it on keyed schemes: public images
are encrypted, each under its own random key, and a network learns the way back; then it is applied to the victim's
images under the victim's one key. The public code fits sigmoid(tanh(z)) to targets in [-1, 1] and evaluates without the
sigmoid, and pairs files in the order of the file system; here output and target share a range, and pairs are pairs.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from vitcrypt.attacks.learned import loop
from vitcrypt.attacks.learned.networks import BlockInverse, UNet
from vitcrypt.attacks.observation import Observation, Reconstruction
from vitcrypt.encryption import SignedPermutation


@dataclass(frozen=True)
class ITN:
    """Train on pairs of the attacker's own, apply to the ciphertexts.

    Args:
        network: "block", the group's small network, or "unet".
        width: Channels of the first layer; None: as published (48, and 64 for the U-Net).
        levels: Levels of the U-Net, five as published; the image's sides must divide by 2^(levels - 1).
        epochs: Passes over the public images.
        batch_size: Images per step.
        learning_rate: Of SGD with momentum 0.9.
        seed: Seed of initialisation, order and the attacker's own keys.
        device: "cpu", "cuda" or "auto".
    """

    network: Literal["block", "unet"] = "block"
    width: int | None = None
    levels: int = 5
    epochs: int = 50
    batch_size: int = 128
    learning_rate: float = 0.01
    seed: int = 0
    device: str = "auto"
    name = "itn"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs public images; encrypts them under random keys of its own."""
        public: Tensor = observation.need(self.name, "public_images").cpu()
        device, own = loop.pick_device(self.device), []
        with loop.seeded(self.seed) as random:
            for part in torch.split(public, 64):
                keys = [loop.own_cipher(observation.scheme, observation.shape, random) for _ in part]
                own.append(SignedPermutation.stack(keys)(part))
            pairs = public, torch.cat(own)
            network = self._build(observation).to(device)
            optimizer = torch.optim.SGD(network.parameters(), self.learning_rate, momentum=0.9, weight_decay=5e-4)
            loss = torch.zeros(())
            for _ in loop.epochs(self.epochs, "inverse transformation network"):
                network.train()
                for chosen in loop.batches(len(public), self.batch_size, random):
                    plain, encrypted = (loop.to_signal(images[chosen].to(device)) for images in pairs)
                    loss = mse_loss(network(encrypted), plain)
                    loop.step(optimizer, loss)
            images = loop.apply(network, observation.ciphertexts, self.batch_size, device)
        return Reconstruction(images, details={"own_pairs": len(public), "last_loss": float(loss.detach())})

    def _build(self, observation: Observation) -> nn.Module:
        channels, height, width = observation.shape
        if self.network == "block":
            return BlockInverse(channels, observation.scheme.block_size, self.width or 48)
        if self.network != "unet":
            raise ValueError(f"network must be 'block' or 'unet', got {self.network!r}")
        if min(height, width) % 2 ** (self.levels - 1):
            raise ValueError(
                f"a U-Net of {self.levels} levels cannot halve {height} x {width} so often; set fewer levels"
            )
        return UNet(channels, self.width or 64, self.levels)
