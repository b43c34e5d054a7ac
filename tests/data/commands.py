"""What is done with an encrypted folder, by every command that reads one."""

import hashlib
import json

import pytest
from samples import every, some

from vitcrypt.data import Manifest, folder
from vitcrypt.folders import decrypt_folder, pack_npz, pack_shards, rotate_folder, verify_folder
from vitcrypt.keys import Key

KEY, NEW = Key.from_bytes(bytes(range(32))), Key.from_bytes(bytes(32))


def verified(enc, out):
    if wrong := verify_folder(enc)[1]:
        raise ValueError("\n".join(wrong))


COMMANDS = {
    "verify": verified,
    "decrypt": lambda enc, out: decrypt_folder(enc, out, KEY),
    "rotate": lambda enc, out: rotate_folder(enc, out, KEY, NEW),
    "pack": lambda enc, out: pack_npz(enc, out.with_suffix(".npz")),
    "pack into tar files": lambda enc, out: pack_shards(enc, out),
    "run": lambda enc, out: folder(str(enc), 16).loaded(),
    "run, images in files": lambda enc, out: list(map(every, some(folder(str(enc), 16, in_memory_gib=0.0)))),
}


def described(enc, change):
    """Give it another manifest, with the checksum that belongs to it."""
    content = json.loads((enc / "manifest.json").read_text())
    head, _ = content.pop("format"), content.pop("checksum")
    change(content)
    checksum = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (enc / "manifest.json").write_text(json.dumps({"format": head, **content, "checksum": checksum}))


def first(enc):
    """The path of its first image."""
    return enc / min(Manifest.read(enc / "manifest.json").index)


def refused_by_all(enc, tmp_path, words):
    """Check that each command refuses a folder with these words, and that nothing comes of it."""
    before = {path.name for path in tmp_path.iterdir()}
    for name, command in COMMANDS.items():
        with pytest.raises(ValueError, match=r".+") as refused:
            command(enc, tmp_path / "out")
        assert words in str(refused.value), name
        assert {path.name for path in tmp_path.iterdir()} - {"out.part"} == before, name
