"""The secret of an owner: 32 random bytes, a fingerprint, and the subkeys derived from them.

A key is not a seed, and a seed is not a key: keys come from the operating system's randomness and never from a random
number generator that training uses.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from vitcrypt.keys import keyfile

if TYPE_CHECKING:
    from vitcrypt.keys.keystream import Keystream


class Key:
    """A 256-bit secret key.

    Make one with `Key.generate()`, `Key.read(path)` or `Key.from_bytes(secret)`. Its `repr` and `str` show the
    fingerprint alone, it does not pickle, and it compares in constant time.

    Example:
        >>> key = Key.from_bytes(bytes(32))
        >>> key.fingerprint
        'd4689ba554259322'
        >>> key
        Key(fingerprint='d4689ba554259322')
        >>> key.keystream("proposed", "block_permutation", shape=(3, 224, 224), block_size=16).permutation(4).tolist()
        [2, 0, 1, 3]
    """

    __slots__ = ("_extracted", "_secret", "test_name")

    def __init__(self, secret: bytes, test_name: str | None = None) -> None:
        if not isinstance(secret, bytes) or len(secret) != 32:
            got = f"{len(secret)} bytes" if isinstance(secret, bytes) else type(secret).__name__
            raise ValueError(f"a key has exactly 32 bytes, got {got}; make one with Key.generate()")
        self._secret = secret
        self._extracted: bytes | None = None
        self.test_name = test_name

    @classmethod
    def generate(cls) -> Key:
        """Draw a new key from the operating system's randomness."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def from_bytes(cls, secret: bytes) -> Key:
        """Take 32 bytes as they are; they must be uniformly random."""
        return cls(secret)

    @classmethod
    def test(cls, name: str) -> Key:
        """Return the public test key `test-0`, `test-1`, ...: anyone has it, so that experiments can be repeated."""
        if not re.fullmatch(r"test-(0|[1-9][0-9]*)", name):
            raise ValueError(f"public test keys are named test-0, test-1, ...; got {name!r}")
        return cls(hashlib.sha256(f"vitcrypt public {name}".encode()).digest(), test_name=name)

    @classmethod
    def read(cls, path: str | Path, passphrase: str | None = None) -> Key:
        """Read a key file.

        Raises:
            FileNotFoundError: There is no such file.
            PermissionError: Others than its owner may read it.
            ValueError: It is damaged, of another version or no key file; or the passphrase is missing or wrong.
        """
        secret, recorded = keyfile.read(Path(path), passphrase)
        key = cls(secret)
        if recorded != key.fingerprint:
            raise ValueError(f"{path}: the file says fingerprint {recorded}, its key has {key.fingerprint}: damaged")
        return key

    def write(self, path: str | Path, passphrase: str | None = None) -> None:
        """Write a new key file, readable by its owner alone; with a passphrase, sealed under it.

        Raises:
            FileExistsError: Something is there already. A key file is never overwritten.
        """
        if self.test_name:
            raise ValueError(
                f"{self.test_name} is public: nothing to keep in a file; configure it by name (key={self.test_name})"
            )
        keyfile.write(Path(path), self._secret, self.fingerprint, passphrase)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that name the key and, computed from a subkey of their own, say nothing about it."""
        return hashlib.sha256(self.derive("fingerprint")).hexdigest()[:16]

    def derive(self, info: str) -> bytes:
        """Derive 32 bytes for one purpose: HKDF-SHA256 (RFC 5869) without salt, its info is "vitcrypt/1/" + `info`."""
        # both steps of it, each one HMAC where a subkey has 32 bytes; the first is the same for all of a key's subkeys
        if self._extracted is None:
            self._extracted = hmac.digest(bytes(32), self._secret, "sha256")
        return hmac.digest(self._extracted, f"vitcrypt/1/{info}".encode() + b"\x01", "sha256")

    def keystream(self, scheme: str, stage: str, shape: tuple[int, int, int], block_size: int) -> Keystream:
        """Return the keystream of one stage of one scheme at one size: no two of them share a subkey."""
        from vitcrypt.keys.keystream import Keystream

        channels, height, width = shape
        return Keystream(self.derive(f"{scheme}/{stage}/shape={channels}x{height}x{width}/block={block_size}"))

    def for_image(self, index: int) -> Key:
        """Derive the key of one image, for schemes that encrypt every image under its own."""
        return Key(self.derive(f"image={index}"), test_name=self.test_name)

    def __repr__(self) -> str:
        public = f", public test key {self.test_name}" if self.test_name else ""
        return f"Key(fingerprint={self.fingerprint!r}{public})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> str:
        raise TypeError("a Key does not pickle: a copy of the secret would end up in a file; pass the key file's path")
