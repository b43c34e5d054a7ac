from dataclasses import dataclass

from vitcrypt.encryption import Properties, Scheme, SignedPermutation, primitives
from vitcrypt.encryption.scheme import Stage


@dataclass(frozen=True)
class ReversedBlocks(Scheme):
    block_size: int = 4
    properties = Properties(linear="bytes", isometry="bytes")

    def stages(self, shape):
        return {"sign": Stage("bits", (self.num_blocks(shape),))}

    def apply(self, subkeys, shape):
        blocks = primitives.to_blocks(primitives.grid(shape), self.block_size)
        mask = subkeys["sign"][:, None, None, None].expand_as(blocks).byte() * 255
        parts = (primitives.from_blocks(part, shape).flatten() for part in (blocks.flip(-1, -2), mask))
        return SignedPermutation(*parts)
