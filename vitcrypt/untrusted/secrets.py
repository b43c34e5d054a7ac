"""Recognising a 256-bit key where it must not stand: typed in place of the path of its file."""

import re
from itertools import pairwise

IS_A_KEY = (
    "where the path of a key file belongs stands what looks like a key itself (it is not repeated here). The command "
    "line is public: others on this machine saw it and your shell recorded it. Make another: vitcrypt key new FILE"
)

HEX = re.compile(r"(?:[0-9a-f][\s:_-]?){63}[0-9a-f]", re.IGNORECASE)
BASE32 = re.compile(r"[a-z2-7]{52}|(?:[a-z2-7]{4}[\s-]){12}[a-z2-7]{4}", re.IGNORECASE)
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43,}")
BYTES = re.compile(r"(?:\d{1,3}\s*,\s*){31}\d{1,3}")
PART_OF_ONE = re.compile(r"[A-Za-z0-9+]{40,}")
LENGTH = 43  # of 32 bytes in base64, without padding
CHANGES = 15  # between kinds of letters; 27 +- 3 in random base64, far fewer in words and paths


def holds_a_key(text: str) -> bool:
    """Say whether 64 hexadecimal, 52 base32 or 43 base64 characters stand anywhere in a text.

    Hexadecimal digits may stand in groups. Paths and long names are told from base64 by how little they mix kinds of
    letters.
    """
    return bool(HEX.search(text) or BASE32.search(text)) or any(map(_is_base64, BASE64.findall(text)))


def looks_like_a_key(text: str) -> bool:
    """Say whether a text that is to be the path of a key file may be a key itself, or most of one."""
    bare = re.sub(r"[\s'\"=]", "", text)
    return holds_a_key(text) or bool(
        (re.fullmatch(BASE64, bare) and len(bare) == LENGTH) or BYTES.search(text) or PART_OF_ONE.search(bare)
    )


def _is_base64(run: str) -> bool:
    pieces = {run[:LENGTH], run[-LENGTH:], *run.split("/")}
    return any(len(piece) == LENGTH and _changes(piece) >= CHANGES for piece in pieces)


def _changes(text: str) -> int:
    """Count the places where a capital, a small letter, a digit and the rest follow each other."""
    kinds = [(letter.isupper(), letter.islower(), letter.isdigit()) for letter in text]
    return sum(a != b for a, b in pairwise(kinds)) if any(kind[0] for kind in kinds) else 0
