"""What a map moves, which its attacks are told: bytes or nibbles."""

from dataclasses import dataclass
from typing import get_args

from vitcrypt.attacks.learned.memory import memory_of, told
from vitcrypt.encryption.cipher import Symbols


@dataclass(frozen=True)
class OnSymbols:
    """An attack on a map of symbols: "bytes" (PE, EtC, the proposed scheme) or "nibbles" (LE, ELE)."""

    symbols: Symbols = "bytes"

    def __post_init__(self) -> None:
        """Check the option."""
        if self.symbols not in get_args(Symbols):
            raise ValueError(f"symbols is 'bytes' or 'nibbles', got {self.symbols!r}")


def square_fits(attack: str, symbols: int, matrices: int) -> None:
    """Check that so many matrices of every symbol with every other one, in float64, fit into memory.

    Raises:
        ValueError: They do not.
    """
    needed, there = 8 * matrices * symbols**2, memory_of("cpu")
    if needed > there:
        raise ValueError(
            f"{attack} compares all {symbols:,} symbols of an image with each other, which needs about {told(needed)} "
            f"of memory, and there are {told(there)}; set a smaller image_size, or take an attack that knows the scheme"
        )
