"""Keys and the keystreams drawn from them. This room imports none of the others."""

from typing import TYPE_CHECKING, Any

from vitcrypt.keys.key import Key
from vitcrypt.keys.keyfile import is_sealed
from vitcrypt.keys.opening import open_key

if TYPE_CHECKING:
    from vitcrypt.keys.keystream import Keystream

__all__ = ["Key", "Keystream", "is_sealed", "open_key"]


def __getattr__(name: str) -> Any:
    if name != "Keystream":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vitcrypt.keys.keystream import Keystream  # with NumPy, which key files do without

    return Keystream
