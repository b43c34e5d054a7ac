"""Vectors of private features as an attacker takes them: the mean of several releases, and turned back.

Their noise is the same for the same bytes, so that an image that is sent twice tells nothing new. A copy that differs
in one bit gets noise of its own: the mean of r releases has noise sigma / sqrt(r).
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from vitcrypt.attacks.maps.orthogonal import nearest_rotation
from vitcrypt.attacks.observation import Observation
from vitcrypt.encryption import Features


def pooled(observation: Observation) -> Observation:
    """Return the observation with the mean of all releases in place of each ciphertext, and a scheme of less noise."""
    scheme, releases = observation.scheme, observation.releases
    if releases is None or not isinstance(scheme, Features):
        return observation
    every = torch.cat([observation.ciphertexts[None], releases])
    less = replace(scheme, sigma=scheme.sigma / math.sqrt(len(every)))
    return replace(observation, scheme=less, ciphertexts=every.mean(0), releases=None)


def turned_back(observation: Observation) -> Tensor | None:
    """Return the vectors before the secret rotation, float64 [n, d]; None where the attacker cannot tell.

    They know the rotation, or take that which turns known pairs into each other best (the Procrustes problem).
    """
    scheme, rotation = observation.scheme, observation.rotation
    if not isinstance(scheme, Features):
        return None
    if rotation is None and observation.known is not None:
        plain, made = observation.known
        agreement = made.flatten(1).double().mT @ scheme.features(plain)
        rotation = torch.from_numpy(nearest_rotation(agreement.numpy()))
    return None if rotation is None else observation.ciphertexts.flatten(1).double() @ rotation
