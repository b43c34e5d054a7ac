"""Any fixed linear map, and any map that keeps distances, from known pairs; nothing else is known of the scheme.

A linear map of d symbols is fixed by d + 1 pairs, and so is a point by its distances from d + 1 points in general
position. With fewer pairs, `LinearMap` restores what lies in the span of the known images; `Trilateration` adds what
public images make likely (the mean of a Gaussian, given the distances).
"""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lstsq
from torch import Tensor

from vitcrypt.attacks.blocks import Floats
from vitcrypt.attacks.maps.symbols import OnSymbols, square_fits
from vitcrypt.attacks.observation import Observation, Reconstruction
from vitcrypt.encryption.cipher import Symbols, symbols_of


@dataclass(frozen=True)
class LinearMap(OnSymbols):
    """Fit the map from ciphertext to image by least squares; take away what is added, where that is the same to all.

    A sum modulo 256 is not linear, as it wraps: two pairs show such a map, and that it is one.

    Args:
        symbols: What the map is linear in: "bytes" (PE, EtC, the proposed scheme) or "nibbles" (LE, ELE).
    """

    name = "linear_map"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs known pairs under the victim's one key; one more than symbols for an exact map."""
        plain, encrypted = observation.need(self.name, "known", shared=True)
        if plain.shape == encrypted.shape and encrypted.dtype == torch.uint8 and len(plain) > 1:
            added = encrypted - plain  # modulo 256
            if torch.equal(added, added[:1].expand_as(added)):
                return Reconstruction(observation.ciphertexts - added[0], details={"pairs": len(plain), "needed": 2})
        known = [_symbols(images, self.symbols) for images in (encrypted, plain)]
        found = fitted_linear(known[0], known[1], _symbols(observation.ciphertexts, self.symbols))
        return _restored(found, observation, self.symbols, len(plain))


@dataclass(frozen=True)
class Trilateration(OnSymbols):
    """Locate every image by the distances of its ciphertext from those of known images.

    Args:
        symbols: Between what the map keeps distances: "bytes" (PE, EtC, the proposed scheme) or "nibbles" (LE, ELE).
    """

    name = "trilateration"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs known pairs under the victim's one key; public images help where there are fewer pairs than symbols."""
        plain, encrypted = observation.need(self.name, "known", shared=True)
        known, at = (_symbols(images, self.symbols) for images in (plain, encrypted))
        apart = [squared_distances(points, points) for points in (known, at)]
        scale = apart[0].sum() / max(apart[1].sum(), 1e-9)  # floats may be of another unit
        if not np.allclose(apart[0], scale * apart[1], rtol=1e-4, atol=1e-4 * apart[0].max()):
            raise ValueError(
                f"{self.name} needs a map that keeps distances, and between the {self.symbols} of the known pairs it "
                f"does not; set attack.method.symbols={'nibbles' if self.symbols == 'bytes' else 'bytes'}"
            )
        public = observation.public_images
        if public is not None:
            square_fits(self.name, known.shape[1], 2)
        distances = scale * squared_distances(_symbols(observation.ciphertexts, self.symbols), at)
        prior = None if public is None else _symbols(public, self.symbols)
        return _restored(located(known, distances, prior), observation, self.symbols, len(plain))


def fitted_linear(sources: Floats, targets: Floats, queries: Floats) -> Floats:
    """Map `queries` [q, d] by the affine map of least norm that takes `sources` [k, d] to `targets` [k, e]."""
    mean, image = sources.mean(0), targets.mean(0)
    # what sources a query is made of, then the same of the targets: the whole map is ten times the work
    found: Floats = _shares(sources - mean, queries - mean).T @ (targets - image) + image
    return found


def _shares(sources: Floats, queries: Floats) -> Floats:
    """Return of least norm the shares [k, q] of sources [k, d] that make queries [q, d], or come nearest to them."""
    if len(sources) > sources.shape[1]:  # normal equations cost a quarter, and show by what they make if they are good
        with suppress(LinAlgError):  # the sources do not span all there is
            factor, wanted = cho_factor(sources.T @ sources, overwrite_a=True), queries.T
            shares: Floats = sources @ cho_solve(factor, wanted)
            shares += sources @ cho_solve(factor, wanted - sources.T @ shares)  # what the square of the condition took
            if np.abs(sources.T @ shares - wanted).max() <= 1e-6 * np.abs(wanted).max():
                return shares
    cutoff = np.finfo(np.float64).eps * max(sources.shape)
    return lstsq(sources.T, queries.T, cond=cutoff, lapack_driver="gelsy")[0]  # type: ignore[no-any-return]


def squared_distances(ones: Floats, others: Floats) -> Floats:
    """Return squared distances [a, b] between points [a, d] and [b, d]; 0 shows equal images under one key."""
    powers = (ones**2).sum(1)[:, None] + (others**2).sum(1)[None]
    distances: Floats = np.maximum(powers - 2 * ones @ others.T, 0)
    return distances


def located(known: Floats, distances: Floats, public: Floats | None = None) -> Floats:
    """Locate points by their squared distances [q, k] from known points [k, d]: [q, d].

    Of all points with these distances the likeliest by public points [m, d], or else the nearest to the mean of the
    known ones; with d + 1 known points in general position there is only one.
    """
    mean = known.mean(0) if public is None else public.mean(0)
    steps = 2 * (known[1:] - known[0])
    powers = ((known - mean) ** 2).sum(1)
    products = (powers[1:] - powers[0])[:, None] - (distances[:, 1:] - distances[:, :1]).T  # [k - 1, q]
    if public is None:
        found: Floats = np.linalg.lstsq(steps, products, rcond=None)[0].T + mean
        return found
    # a little of every direction, as public images span fewer than there may be
    deviations = public - mean
    covariance = deviations.T @ deviations / len(public)
    covariance += 1e-3 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    spread = covariance @ steps.T
    likeliest: Floats = (spread @ np.linalg.lstsq(steps @ spread, products, rcond=None)[0]).T + mean
    return likeliest


def _symbols(images: Tensor, symbols: Symbols) -> Floats:
    return symbols_of(images.cpu(), symbols).numpy().astype(np.float64)


def _restored(found: Floats, observation: Observation, symbols: Symbols, pairs: int) -> Reconstruction:
    values = torch.from_numpy(found).round().clamp(0, 255 if symbols == "bytes" else 15).to(torch.uint8)
    if symbols == "nibbles":
        low, high = values.chunk(2, 1)
        values = low | high << 4
    details = {"pairs": pairs, "needed": observation.ciphertexts[0].numel() * (1 + (symbols == "nibbles")) + 1}
    return Reconstruction(values.view(-1, *observation.shape), details=details)
