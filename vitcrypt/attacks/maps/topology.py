"""Any fixed permutation of values with signs, from ciphertexts alone.

Nothing is known of the scheme but that, under one key, every byte (or nibble) moves to a fixed place and may be
complemented: this covers PE, EtC, the proposed scheme, LE and ELE, and what anyone may add to them. Signs follow the
strongest correlations, places the spectrum (`spectral`). Where the structure of a scheme is known, `statistics` needs
less.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vitcrypt.attacks.blocks import Floats, Ints
from vitcrypt.attacks.maps.spectral import signs_of_series, spectral_places
from vitcrypt.attacks.maps.symbols import OnSymbols, square_fits
from vitcrypt.attacks.observation import Observation, Reconstruction
from vitcrypt.attacks.statistics.correlations import brighter, centred, standardised


@dataclass(frozen=True)
class Topology(OnSymbols):
    """Put values back to their places by the correlations between them.

    Args:
        symbols: "bytes" for schemes that move bytes, "nibbles" for those that move halves of them. Of nibbles only the
            high ones are restored; low ones become 8.
        most: How many eigenvectors are matched at last.
    """

    most: int = 256
    name = "topology"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs ciphertexts under one key, some hundreds, and public images."""
        public: Tensor = observation.need(self.name, "public_images", shared=True, images=True)
        everything = observation.all_ciphertexts
        if min(len(everything), len(public)) < 4:
            raise ValueError(
                f"{self.name} correlates over images and needs at least 4 ciphertexts and 4 public images, "
                f"got {len(everything)} and {len(public)}"
            )
        square_fits(self.name, observation.ciphertexts[0].numel() * (1 + (self.symbols == "nibbles")), 4)
        values = unscrambled(self._series(everything), self._series(public), self.most)
        step = 16 if self.symbols == "nibbles" else 1
        images = (values[:, : len(observation.ciphertexts)] + (256 // step - 1) / 2) * step + step // 2
        restored = torch.from_numpy(images.T.round().astype(np.uint8).reshape(observation.ciphertexts.shape))
        return Reconstruction(restored, details={"ciphertexts_used": len(everything)})

    def _series(self, images: Tensor) -> Floats:
        """Centred symbols, [S, n]; of nibbles those that correlate with others, as high ones do."""
        flat = images.cpu().flatten(1).T
        if self.symbols == "bytes":
            return centred(flat)
        nibbles = centred(torch.cat([flat >> 4, flat & 15]), 4)
        return nibbles[np.sort(strongest(nibbles, len(flat)))]


def strongest(series: Floats, count: int) -> Ints:
    """Return the numbers of the `count` series [S, n] whose highest correlation with another is highest."""
    unit = standardised(series, 1).astype(np.float32)
    correlations = np.abs(unit @ unit.T / unit.shape[1])
    np.fill_diagonal(correlations, 0)
    chosen: Ints = np.argsort(-np.sort(correlations, 1)[:, -3:].mean(1), kind="stable")[:count]
    return chosen


def unscrambled(ours: Floats, public: Floats, most: int = 256) -> Floats:
    """Undo a fixed permutation with signs: return centred values [S, n] at the places of the public images.

    Args:
        ours: [S, n], centred values of ciphertexts, any type of number.
        public: [S, m], centred values of public images, in order.
        most: How many eigenvectors are matched at last.
    """
    unit = standardised(ours, 1)
    signs = brighter(signs_of_series(unit @ unit.T / unit.shape[1]), ours, public)
    signed = ours * signs[:, None]
    values = np.empty_like(signed)
    values[spectral_places(signed, public, most=most)] = signed
    return values
