"""Known and chosen plaintext: the exact key of every scheme of the paper, from few images, and any signed permutation.

Known plaintext: the attacker has plain images and their ciphertexts under the victim's key, and did not choose them.
Chosen plaintext: the victim encrypts images that the attacker made; one is enough except for ELE (Chang and Li,
arXiv 2004.13263, do so for PE with one image and for LE on bytes with sixteen).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vitcrypt.attacks.blocks import decrypt
from vitcrypt.attacks.observation import Observation, Oracle, Reconstruction
from vitcrypt.attacks.plaintext.recover import METHODS, Recovered, recover_map, recover_subkeys
from vitcrypt.encryption import ELE, LE, PE, Scheme, Shape, SignedPermutation
from vitcrypt.encryption.primitives import from_vectors


@dataclass(frozen=True)
class KnownPlaintext:
    """Recover the key from known pairs and decrypt with it.

    Args:
        pairs: How many of the known pairs are used; None: all. The observation must hold at least as many.
    """

    pairs: int | None = None
    name = "known_plaintext"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs known pairs under the victim's one key."""
        plain, encrypted = observation.need(self.name, "known", shared=True, images=True)
        count = len(plain) if self.pairs is None else self.pairs
        if not 1 <= count <= len(plain):
            raise ValueError(f"{self.name} was to use {count} known pairs, this observation holds {len(plain)}")
        plain, encrypted = plain[:count].cpu(), encrypted[:count].cpu()
        if type(observation.scheme) not in METHODS:
            return _undone(observation, recover_map(plain, encrypted), {"pairs": count})
        return _decrypted(observation, recover_subkeys(observation.scheme, plain, encrypted), {"pairs": count})


@dataclass(frozen=True)
class ChosenPlaintext:
    """Have images encrypted that tell every symbol apart, recover the key, and decrypt with it."""

    name = "chosen_plaintext"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs an oracle; queries it until the key is certain."""
        oracle: Oracle = observation.need(self.name, "oracle", shared=True, images=True)
        scheme, shape = observation.scheme, observation.shape
        images = probes(scheme, shape)
        answers = oracle(images).cpu()
        if type(scheme) not in METHODS:
            images = torch.cat([images, noise(oracle.budget - 1, shape, seed=1)])
            answers = torch.cat([answers, oracle(images[1:]).cpu()])
            return _undone(observation, recover_map(images, answers), {"queries": len(images)})
        while not (recovered := recover_subkeys(scheme, images, answers)).exact:
            more = noise(1, shape, seed=len(images))
            images, answers = torch.cat([images, more]), torch.cat([answers, oracle(more).cpu()])
        return _decrypted(observation, recovered, {"queries": len(images)})


def _decrypted(observation: Observation, recovered: Recovered, cost: dict[str, int]) -> Reconstruction:
    certain = {name: float(entries.double().mean()) for name, entries in recovered.certain.items()}
    images = decrypt(observation.scheme, recovered.subkeys, observation.ciphertexts)
    return Reconstruction(images, recovered.subkeys, {**cost, "certain": certain, "exact": recovered.exact})


def _undone(observation: Observation, found: tuple[SignedPermutation, Tensor], cost: dict[str, int]) -> Reconstruction:
    cipher, certain = found
    share = float(certain.double().mean())
    images = cipher.inverse()(observation.ciphertexts.cpu())
    return Reconstruction(images, details={**cost, "certain": {"symbols": share}, "exact": share == 1})


def probes(scheme: Scheme, shape: Shape) -> Tensor:
    """Return the images to be encrypted, uint8 [q, C, H, W]: as few as can tell all keys apart, or close to it.

    PE: the channels are 1, 2 and 3 everywhere. LE: a nibble's place in the block is written in digits over the blocks
    of an image (all blocks have one key). ELE: each place of a block gets another signature over q images, and each
    block another set of signatures; q is 2 at 4 x 4 x 3 (8 * 16 signatures up to complement, 96 nibbles), and one image
    cannot do, as it has only 8. All others: noise, which hardly ever has two equal blocks or pixels.
    """
    if isinstance(scheme, PE):
        return torch.arange(1, 4, dtype=torch.uint8).view(1, 3, 1, 1).expand(1, *shape).contiguous()
    if not isinstance(scheme, LE):
        return noise(1, shape, seed=0)
    blocks, size = scheme.num_blocks(shape), 2 * shape[0] * scheme.block_size**2
    # so many nibbles have 8 * 16^(length - 1) signatures up to complement, at least `size`
    length = 1
    while 8 * 16 ** (length - 1) < size:
        length += 1
    if isinstance(scheme, ELE):
        if (size == 8 * 16 ** (length - 1) and blocks > 1) or blocks > 8 * 16 ** (length - 1):
            length += 1
        signatures = (torch.arange(size) + torch.arange(blocks).view(-1, 1)) % (8 * 16 ** (length - 1))
        digits = _digits(signatures, length)  # [N, 2d, q]
    else:
        count = math.ceil(length / blocks)
        digits = _digits(torch.arange(size), count * blocks).view(size, blocks, count).transpose(0, 1)
    low, high = digits.chunk(2, dim=1)
    return torch.stack([from_vectors(values, shape, scheme.block_size) for values in (low | high << 4).unbind(-1)])


def _digits(numbers: Tensor, length: int) -> Tensor:
    """Write numbers [...] in digits uint8 [..., length]: the first below 8, the others below 16, then zeros."""
    digits, rest = [numbers % 8], numbers // 8
    for _ in range(length - 1):
        digits.append(rest % 16)
        rest = rest // 16
    return torch.stack(digits, -1).to(torch.uint8)


def noise(count: int, shape: Shape, seed: int) -> Tensor:
    """Return white noise, uint8 [count, C, H, W]."""
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
