"""Image encryption: schemes, the ciphers they amount to, and the modules that apply them to batches.

Torch is imported when what needs it is first asked for: who encrypts a folder does without.
"""

from types import ModuleType
from typing import TYPE_CHECKING

from vitcrypt import lazily
from vitcrypt.encryption import scheme as _scheme
from vitcrypt.encryption.array_encryption import ArrayEncryption
from vitcrypt.encryption.horio import Horio
from vitcrypt.encryption.jpeg import EtCJPEG, GrayscaleEtC
from vitcrypt.encryption.moves import Moves
from vitcrypt.encryption.patches import PEViTRS
from vitcrypt.encryption.properties import KeyScope, Properties
from vitcrypt.encryption.scheme import MASTER_KEY_BITS, Scheme, Shape
from vitcrypt.encryption.schemes import ELE, LE, PE, EtC, Plain, Proposed

if TYPE_CHECKING:
    from vitcrypt.encryption.cipher import Cipher, as_pictures
    from vitcrypt.encryption.features import Features
    from vitcrypt.encryption.i2p import I2P
    from vitcrypt.encryption.image_encryption import ImageEncryption
    from vitcrypt.encryption.neuracrypt import NeuraCrypt
    from vitcrypt.encryption.noise import Noise, Pixelise
    from vitcrypt.encryption.orthogonal import Orthogonal
    from vitcrypt.encryption.permutation import SignedPermutation
    from vitcrypt.encryption.scheme import SCHEMES

__all__ = [
    "ELE",
    "I2P",
    "LE",
    "MASTER_KEY_BITS",
    "PE",
    "SCHEMES",
    "ArrayEncryption",
    "Cipher",
    "EtC",
    "EtCJPEG",
    "Features",
    "GrayscaleEtC",
    "Horio",
    "ImageEncryption",
    "KeyScope",
    "Moves",
    "NeuraCrypt",
    "Noise",
    "Orthogonal",
    "PEViTRS",
    "Pixelise",
    "Plain",
    "Properties",
    "Proposed",
    "Scheme",
    "Shape",
    "SignedPermutation",
    "as_pictures",
]


def _holding(_: str = "") -> tuple[ModuleType, ...]:
    from vitcrypt.encryption import cipher, features, i2p, image_encryption, neuracrypt, noise, orthogonal, permutation

    return cipher, features, i2p, image_encryption, neuracrypt, noise, orthogonal, permutation, _scheme


__getattr__ = lazily(__name__, _holding)
_scheme.SCHEMES.load_others = _holding
