"""What whoever holds known pairs restores of one more ciphertext: the demo page shows it to the owner."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from vitcrypt.attacks import KnownPlaintext, Observation
from vitcrypt.data import resize
from vitcrypt.encryption import Scheme
from vitcrypt.experiment.sample import sample

PAIRS = 20
Pixels = NDArray[np.uint8]


def restored(scheme: Scheme, encrypt: Callable[[Pixels], Pixels], ciphertext: Pixels) -> Pixels:
    """Attack a ciphertext, uint8 [3, S, S], with `attack=known_plaintext` and pairs of public images.

    Args:
        scheme: The public algorithm.
        encrypt: Encrypts uint8 [N, 3, S, S] under the key of the ciphertext; here it makes the pairs alone.
        ciphertext: What is to be restored.

    Raises:
        ValueError: The attack does not apply to the scheme, or these pairs are too few.
    """
    size = ciphertext.shape[-1]
    known = resize(sample(min(size, 96), PAIRS)[1], size)
    pairs = known, torch.from_numpy(encrypt(known.numpy()))
    observed = Observation(scheme, torch.from_numpy(ciphertext)[None], known=pairs)
    return KnownPlaintext()(observed).images[0].numpy()
