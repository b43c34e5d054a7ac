"""Keys and the keystreams drawn from them. This room imports none of the others."""

from vitcrypt.keys.key import Key
from vitcrypt.keys.keyfile import is_sealed
from vitcrypt.keys.keystream import Keystream
from vitcrypt.keys.opening import open_key

__all__ = ["Key", "Keystream", "is_sealed", "open_key"]
