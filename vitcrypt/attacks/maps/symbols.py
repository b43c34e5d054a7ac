"""What a map moves, which its attacks are told: bytes or nibbles."""

from dataclasses import dataclass
from typing import get_args

from vitcrypt.encryption.cipher import Symbols


@dataclass(frozen=True)
class OnSymbols:
    """An attack on a map of symbols: "bytes" (PE, EtC, the proposed scheme) or "nibbles" (LE, ELE)."""

    symbols: Symbols = "bytes"

    def __post_init__(self) -> None:
        """Check the option."""
        if self.symbols not in get_args(Symbols):
            raise ValueError(f"symbols is 'bytes' or 'nibbles', got {self.symbols!r}")
