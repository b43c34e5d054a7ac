"""The jigsaw attack: blocks that were moved are the pieces of a puzzle, and borders of neighbours look alike.

Costs of several ciphertexts under one key add up: they are cut and changed alike. What else was done to a block is
another matter for each scheme: `proposed` and `etc`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vitcrypt.attacks.blocks import decrypt
from vitcrypt.attacks.jigsaw import etc, proposed
from vitcrypt.attacks.observation import Observation, Reconstruction
from vitcrypt.encryption import EtC, Proposed


@dataclass(frozen=True)
class Jigsaw:
    """Ciphertext-only recovery of the key of the proposed scheme and of EtC, from one ciphertext upwards.

    Args:
        at_most: How many ciphertexts are searched for the keys at most; all are decrypted. More hardly help.
    """

    at_most: int = 16
    name = "jigsaw"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Solve the puzzle of the blocks, and decrypt.

        Where every image has its own key, each ciphertext is attacked alone and no subkeys are returned.
        """
        observation.need(self.name, schemes=("proposed", "etc", "etc_jpeg"))
        scheme, ciphertexts = observation.scheme, observation.ciphertexts.cpu()
        if observation.shared_key:
            subkeys = _recovered(observation, ciphertexts[: self.at_most])
            used = min(self.at_most, len(ciphertexts))
            return Reconstruction(decrypt(scheme, subkeys, ciphertexts), subkeys, {"ciphertexts_used": used})
        alone = [decrypt(scheme, _recovered(observation, one), one) for one in torch.split(ciphertexts, 1)]
        return Reconstruction(torch.cat(alone), details={"ciphertexts_used": 1})


def _recovered(observation: Observation, ciphertexts: Tensor) -> dict[str, Tensor]:
    scheme = observation.scheme
    if isinstance(scheme, EtC):
        return etc.recover(scheme, ciphertexts, observation.public_images)
    assert isinstance(scheme, Proposed)
    return proposed.recover(scheme, ciphertexts)
