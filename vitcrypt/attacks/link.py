"""Linkage: which image of a public gallery is this ciphertext of? One ciphertext, no key, no training.

Of private features the nearest vector is the most likely one under their noise: where all candidates are equally likely
no attack on one release does better. That takes the rotation, known or estimated from known pairs. Of all else, and
without these:

What no key changes (`Scheme.invariants`) is computed of ciphertext and candidates alike, and the nearest candidate is
named. Under a scheme without keys the candidates are encrypted, as anyone can. As every image may have a key of its
own, no number of keys protects from it. Re-identification is the measure of the NeuraCrypt challenge (Yala et al. 2021;
won by Carlini et al. 2021); what is compared here is not published.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vitcrypt.attacks.learned import own_keys
from vitcrypt.attacks.learned.matcher import LearnedLink
from vitcrypt.attacks.observation import Observation, Reconstruction
from vitcrypt.attacks.vectors import pooled, turned_back
from vitcrypt.encryption import Features


@dataclass(frozen=True)
class Link:
    """Finds images again in a gallery: by invariants where the scheme has some, else by `LearnedLink` at its defaults.

    Private features are found by the likelihood of their vectors where the rotation is known or known pairs tell it.

    Args:
        chunk: How many candidates are compared at once: what sets the memory it takes.
    """

    chunk: int = 250
    name = "link"

    def __post_init__(self) -> None:
        """Check the number of candidates."""
        if self.chunk < 1:
            raise ValueError(f"attack.method.chunk={self.chunk}: set it to at least 1")

    def __call__(self, observation: Observation) -> Reconstruction:
        """Return for each ciphertext its nearest candidate, and the distances of all.

        Raises:
            ValueError: There is no gallery, or neither invariants nor public images to learn from.
        """
        gallery = observation.need("link", "gallery")
        observation = pooled(observation)
        scheme = observation.scheme
        if isinstance(scheme, Features) and (vectors := turned_back(observation)) is not None:
            apart = [torch.cdist(vectors, scheme.features(part)) for part in torch.split(gallery, self.chunk)]
            return _nearest(gallery, torch.cat(apart, 1).float())
        keyed = scheme.properties.keyed
        invariants = scheme.invariants if keyed else lambda images: images.flatten(1).float()
        try:
            rows = torch.cat([invariants(part) for part in torch.split(observation.ciphertexts, self.chunk)])
        except NotImplementedError as error:
            if observation.public_images is not None:
                return LearnedLink()(observation)
            raise ValueError(
                f"link: {error}; a class may say what does (Scheme.invariants; vitcrypt/encryption/invariants.py has "
                "some), or set attack.observation.public_images=5000 for networks to learn from"
            ) from None
        pieces = torch.split(gallery, self.chunk)
        candidates = pieces if keyed else (own_keys.encrypt(scheme, part, {}) for part in pieces)
        distances = torch.cat([torch.cdist(rows, invariants(part), p=1) for part in candidates], 1)
        return _nearest(gallery, distances)


def _nearest(gallery: Tensor, distances: Tensor) -> Reconstruction:
    return Reconstruction(gallery[distances.argmin(1)], distances=distances)
