"""Belief propagation on PE: the state of every pixel from few ciphertexts, or one, because neighbours look alike.

PE leaves each pixel in one of 48 states: a sign for each channel and an order of the three. Which states two neighbours
are in shows by how near their values then are, summed over all ciphertexts under one key. The states of all pixels
together are a Markov random field on the grid, whose likeliest states min-sum belief propagation looks for (for images:
Felzenszwalb and Huttenlocher, IJCV 2006). This is not a published attack. Neighbours do not tell which state the whole
image is in: the signs of the channels are those with which they agree best; the sign and the order of all stay open.
"""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from vitcrypt.attacks.blocks import channel_codes, decrypt
from vitcrypt.attacks.observation import Observation, Reconstruction
from vitcrypt.encryption import PE
from vitcrypt.encryption.primitives import CHANNEL_ORDERS

MIDDLE = 127.5
SIGNS = torch.tensor(list(product((1.0, -1.0), repeat=3)))


@dataclass(frozen=True)
class Propagation:
    """Ciphertext-only recovery of the key of PE, from one ciphertext upwards.

    Args:
        iterations: How often every pixel hears of its neighbours.
        damping: Share of its last message that each keeps, from 0 to less than 1; without any, messages may swing.
        at_most: How many ciphertexts are searched for the key at most; all are decrypted.
    """

    iterations: int = 60
    damping: float = 0.5
    at_most: int = 20
    name = "propagation"

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.iterations < 1 or self.at_most < 1 or not 0 <= self.damping < 1:
            raise ValueError(
                f"{self.name} needs iterations and at_most of at least 1 and damping from 0 to less than 1, got "
                f"{self.iterations}, {self.at_most} and {self.damping}"
            )

    def __call__(self, observation: Observation) -> Reconstruction:
        """Find the states, and decrypt; ciphertexts under a key each one by one, and then no subkeys are returned."""
        observation.need(self.name, schemes=("pe",))
        scheme, ciphertexts = observation.scheme, observation.ciphertexts.cpu()
        assert isinstance(scheme, PE)
        if observation.shared_key:
            subkeys = self.recover(scheme, ciphertexts[: self.at_most])
            return Reconstruction(decrypt(scheme, subkeys, ciphertexts), subkeys)
        alone = [decrypt(scheme, self.recover(scheme, one), one) for one in torch.split(ciphertexts, 1)]
        return Reconstruction(torch.cat(alone))

    def recover(self, scheme: PE, ciphertexts: Tensor) -> dict[str, Tensor]:
        """Return the subkeys of ciphertexts uint8 [n, 3, H, W] under one key."""
        orders = CHANNEL_ORDERS if scheme.channel_shuffle else CHANNEL_ORDERS[:1]
        orders, signs = orders.repeat_interleave(8, 0), SIGNS.repeat(len(orders), 1)  # [S, 3]
        values = ciphertexts.permute(2, 3, 0, 1).float() - MIDDLE  # [H, W, n, 3]
        rough = (values[1:] - values[:-1]).abs().mean((0, 1, 3)) + (values[:, 1:] - values[:, :-1]).abs().mean(
            (0, 1, 3)
        )
        even = values / (rough[:, None] + 10)  # no image decides alone
        seen = (even[..., orders] * signs).permute(0, 1, 3, 2, 4).flatten(3)  # [H, W, S, n * 3]
        chosen = self._states(_apart(seen[:, :-1], seen[:, 1:]), _apart(seen[:-1], seen[1:]))
        order, sign = orders[chosen], signs[chosen]  # [H, W, 3]
        restored = values.gather(3, order[:, :, None].expand_as(values)) * sign[:, :, None]
        sign = sign * _agreeing(restored.flatten(0, 2))
        subkeys = {"negation": (sign < 0).permute(2, 0, 1).contiguous()}
        return subkeys | ({"channel_permutation": channel_codes(order.argsort(-1))} if scheme.channel_shuffle else {})

    def _states(self, right: Tensor, below: Tensor) -> Tensor:
        """Return the likeliest states [H, W], given the costs of neighbours [H, W - 1, S, S] and [H - 1, W, S, S]."""
        height, width, count = right.shape[0], below.shape[1], right.shape[2]
        known = torch.zeros(height, width, count)
        best = right[:, :, 0].topk(2, largest=False).values.diff()[..., 0]
        row, column = divmod(int(best.argmax()), width - 1)
        known[row, column, 1:] = 1e6  # any state will do for one pixel: that of the clearest
        heard = [torch.zeros_like(known) for _ in range(4)]
        for _ in range(self.iterations):
            belief = known + torch.stack(heard).sum(0)
            left, after, above, under = (belief - message for message in heard)
            told = [torch.zeros_like(known) for _ in range(4)]
            told[0][:, 1:] = _told(after[:, :-1], right)
            told[1][:, :-1] = _told(left[:, 1:], right.mT)
            told[2][1:] = _told(under[:-1], below)
            told[3][:-1] = _told(above[1:], below.mT)
            heard = [self.damping * old + (1 - self.damping) * new for old, new in zip(heard, told, strict=True)]
        return (known + torch.stack(heard).sum(0)).argmin(2)


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """L1 distances [..., S, S] between each state of one pixel and each of its neighbour, [..., S, K] each."""
    states = one.shape[2]
    return torch.cdist(one.flatten(0, 1), other.flatten(0, 1), p=1).view(*one.shape[:2], states, states)


def _told(belief: Tensor, cost: Tensor) -> Tensor:
    """Return what a neighbour hears: for each of its states the least cost, less that of the best one."""
    least = (belief[..., None] + cost).amin(-2)
    return least - least.amin(-1, keepdim=True)


def _agreeing(values: Tensor) -> Tensor:
    """Return the signs [3] with which channels of [N, 3] agree best, the first as it is."""
    together = values.T @ values
    best: Tensor = max(SIGNS[:4], key=lambda sign: float(sign @ together @ sign))
    return best
