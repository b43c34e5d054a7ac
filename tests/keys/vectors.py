"""The published test vectors of keys, and every form in which a secret might be written down."""

import base64

SECRET = bytes(range(32))

VECTORS = {
    "fingerprint": "b2da3cee5f427b03",
    "derive": "cd1ed6f31cbfe6bfdfdb9afc6d12762b1b2ae62485904b3b90bbbebc288752a1",
    "permutation": [34, 53, 8, 21, 63, 44, 32, 6],
    "bits": [1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 1, 0, 0],
    "integers": [1, 4, 0, 253, 825, 683960131],
    "below 6": [1, 4, 4, 5, 3, 1, 5, 1],
    "test-0": "694a10fbdc42e4cc",
}


def spellings(secret):
    yield from (secret.hex(), secret.hex().upper(), secret.hex(" "), secret.hex(":"))
    for encode in (base64.b16encode, base64.b32encode, base64.b64encode, base64.urlsafe_b64encode, base64.b85encode):
        yield encode(secret).decode().rstrip("=")
    yield from (repr(list(secret)), repr(tuple(secret)), repr(secret), str(int.from_bytes(secret, "big")))
