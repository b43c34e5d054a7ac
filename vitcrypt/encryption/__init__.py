"""Image encryption: schemes, the signed permutations they amount to, and the module that applies them to batches."""

from vitcrypt.encryption.image_encryption import ImageEncryption
from vitcrypt.encryption.permutation import SignedPermutation
from vitcrypt.encryption.scheme import MASTER_KEY_BITS, SCHEMES, Scheme, Shape
from vitcrypt.encryption.schemes import ELE, LE, PE, EtC, Plain, Proposed

__all__ = [
    "ELE",
    "LE",
    "MASTER_KEY_BITS",
    "PE",
    "SCHEMES",
    "EtC",
    "ImageEncryption",
    "Plain",
    "Proposed",
    "Scheme",
    "Shape",
    "SignedPermutation",
]
