"""What a scheme declares of its ciphers. `vitcrypt benchmark` tests it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KeyScope = Literal["shared", "per_image"]
KEY_SCOPES: tuple[KeyScope, ...] = ("shared", "per_image")
Symbols = Literal["bytes", "nibbles"]


@dataclass(frozen=True)
class Properties:
    """What a scheme says of its ciphers.

    Args:
        invertible: Whether every image can be decrypted to the byte.
        linear: In which symbols each cipher is linear but for a constant; None: in none.
        isometry: Between which symbols it keeps all distances, but for one unit; None: between none.
        keyed: Whether another key gives other ciphertexts.
        key_scopes: With which keys it may be used: one for all images ("shared"), one for each ("per_image").
        dtype: Of ciphertexts. uint8 is normalised for a network as images are; float32 reaches it as it is.
    """

    invertible: bool = True
    linear: Symbols | None = None
    isometry: Symbols | None = None
    keyed: bool = True
    key_scopes: tuple[KeyScope, ...] = KEY_SCOPES
    dtype: Literal["uint8", "float32"] = "uint8"
