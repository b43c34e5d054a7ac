"""Image encryption: schemes, the ciphers they amount to, and the module that applies them to batches."""

from vitcrypt.encryption.cipher import Cipher, KeyScope, Properties, as_pictures
from vitcrypt.encryption.features import Features
from vitcrypt.encryption.horio import Horio
from vitcrypt.encryption.image_encryption import ImageEncryption
from vitcrypt.encryption.jpeg import EtCJPEG, GrayscaleEtC
from vitcrypt.encryption.neuracrypt import NeuraCrypt
from vitcrypt.encryption.noise import Noise, Pixelise
from vitcrypt.encryption.orthogonal import Orthogonal
from vitcrypt.encryption.patches import PEViTRS
from vitcrypt.encryption.permutation import SignedPermutation
from vitcrypt.encryption.scheme import MASTER_KEY_BITS, SCHEMES, Scheme, Shape
from vitcrypt.encryption.schemes import ELE, LE, PE, EtC, Plain, Proposed

__all__ = [
    "ELE",
    "LE",
    "MASTER_KEY_BITS",
    "PE",
    "SCHEMES",
    "Cipher",
    "EtC",
    "EtCJPEG",
    "Features",
    "GrayscaleEtC",
    "Horio",
    "ImageEncryption",
    "KeyScope",
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
