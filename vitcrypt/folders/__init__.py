"""Folders of encrypted images: made by the owner, checked by anyone, read by `vitcrypt.data.folder` like any other."""

from vitcrypt.data.manifest import Manifest
from vitcrypt.folders.encrypt import decrypt_folder, encrypt_folder, rotate_folder
from vitcrypt.folders.job import Made, make_folder
from vitcrypt.folders.pack import pack_npz, pack_shards
from vitcrypt.folders.png import encode_png
from vitcrypt.folders.verify import verify_folder, verify_store

__all__ = [
    "Made",
    "Manifest",
    "decrypt_folder",
    "encode_png",
    "encrypt_folder",
    "make_folder",
    "pack_npz",
    "pack_shards",
    "rotate_folder",
    "verify_folder",
    "verify_store",
]
