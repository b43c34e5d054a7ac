"""An encrypted folder, made once."""

import shutil

import pytest
from commands import KEY
from samples import class_folders

from vitcrypt.encryption import Proposed
from vitcrypt.folders import encrypt_folder


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("made")
    class_folders(place / "photos", {"ant": 6, "bee": 6})
    encrypt_folder(place / "photos", place / "enc", Proposed(4), KEY, image_size=16)
    return place


@pytest.fixture
def enc(made, tmp_path):
    """Return a copy of an encrypted folder of twelve images, beside the photos it was made from."""
    for name in ("photos", "enc"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path / "enc"
