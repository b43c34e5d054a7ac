"""Image encryption: schemes, the ciphers they amount to, and the modules that apply them to batches.

Torch is imported when what needs it is first asked for: who encrypts a folder does without.
"""

from typing import TYPE_CHECKING, Any

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


def _load_others() -> None:
    from vitcrypt.encryption import cipher, features, i2p, image_encryption, neuracrypt, noise, orthogonal, permutation

    for module in (cipher, features, i2p, image_encryption, neuracrypt, noise, orthogonal, permutation, _scheme):
        globals().update({name: value for name, value in vars(module).items() if name in __all__})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _load_others()
    return globals()[name]


_scheme.SCHEMES.load_others = _load_others
