"""The provider: trains on an encrypted folder as it is, with neither key nor the code of keys."""

import subprocess
import sys

import pytest
import torch
from program import environment, finish, results
from samples import class_folders, noise, save

from vitcrypt.data import ImageDataModule, folder, npz
from vitcrypt.encryption import LE, ImageEncryption, Plain, Proposed
from vitcrypt.folders import encrypt_folder, pack_npz
from vitcrypt.keys import Key

KEY = Key.from_bytes(bytes(range(32)))
SIDES = {"square": [(8, 8)], "large": [(40, 40)], "mixed": [(8, 8), (30, 12), (9, 41)]}


SPLITS = {  # where one image after the other goes
    "unsplit": [""],
    "train and test": ["train", "train", "test"],
    "train, test and val": ["train", "train", "test", "val", "train"],
    "train and val": ["train", "train", "val"],
}


def photos_of(root, sides, splits):
    for i in range(30):
        width, height = sides[i % len(sides)]
        base = root / splits[i % len(splits)] / ("ant", "bee")[i % 2]
        save(base / f"IMG_{i:02}.png", noise(height, width, 3, seed=i))
    return root


def batches(splits, encryption, received, make_trainer):
    """Every batch of two epochs of training, with validation, and of the test, as the network gets it."""
    from lightning import LightningModule

    seen = []

    class Watching(LightningModule):
        def configure_optimizers(self):
            return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0)

        def training_step(self, batch):
            seen.append(batch)
            return torch.zeros((), requires_grad=True)

        def validation_step(self, batch):
            seen.append(batch)

        def test_step(self, batch):
            seen.append(batch)

    data = ImageDataModule(splits, 16, encryption, received, batch_size=4, augment="none")
    trainer = make_trainer(max_epochs=2)
    trainer.fit(Watching(), datamodule=data)
    trainer.test(Watching(), datamodule=data, verbose=False)
    return seen


@pytest.mark.parametrize(
    ("sides", "key_scope", "split"),
    [
        *(("mixed", "shared", split) for split in SPLITS),
        ("square", "per_image", "unsplit"),
        ("large", "shared", "unsplit"),
    ],
)
def test_the_network_sees_the_bytes_that_it_would_see_if_the_owner_trained_also_of_a_packed_folder(
    tmp_path, make_trainer, sides, key_scope, split
):
    photos = photos_of(tmp_path / "photos", SIDES[sides], SPLITS[split])
    made = encrypt_folder(photos, tmp_path / "enc", Proposed(4), KEY, 16, key_scope=key_scope).manifest
    assert pack_npz(tmp_path / "enc", tmp_path / "enc.npz") == made
    encryption = ImageEncryption(Proposed(4), KEY, (3, 16, 16), key_scope)
    owner = batches(folder(str(photos), 16), encryption, None, make_trainer)
    of_folder = batches(folder(str(tmp_path / "enc"), 16), None, made, make_trainer)
    of_file = batches(npz(str(tmp_path / "enc.npz")), None, made, make_trainer)
    assert len(owner) > 10
    for one, *others in zip(owner, of_folder, of_file, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in ("image", "label", "index") for other in others)


@pytest.fixture
def enc(tmp_path):
    return encrypt_folder(class_folders(tmp_path / "p", {"a": 9, "b": 9}), tmp_path / "enc", LE(4), KEY, 16).manifest


def test_what_would_destroy_encrypted_images_is_refused(tmp_path, enc):
    splits = folder(str(tmp_path / "enc"), 16)
    with pytest.raises(ValueError, match=r"resizing to 32 would destroy them; set model\.image_size=16"):
        ImageDataModule(splits, 32, None, enc)
    for option in ({"flip": True}, {"crop_padding": 1}):
        with pytest.raises(ValueError, match=r"set data\.augment=none"):
            ImageDataModule(splits, 16, None, enc, augment="owner", **option)
    with pytest.raises(ValueError, match=r"encrypted already.*set encryption=received"):
        ImageDataModule(splits, 16, ImageEncryption(LE(4), KEY, (3, 16, 16)), enc, augment="none")


def test_the_provider_augments_by_whole_blocks_where_the_scheme_allows_it_alone(tmp_path, enc):
    data = ImageDataModule(
        folder(str(tmp_path / "enc"), 16), 16, None, enc, augment="provider", crop_padding=3, flip=True
    )
    image = torch.from_numpy(noise(5, 3, 16, 16))
    moved = data.prepare(image, torch.arange(5), training=True)
    original = data.prepare(image, torch.arange(5), training=False)
    rolls = [(i, j) for i in (-4, 0, 4) for j in (-4, 0, 4)]
    for one, other in zip(moved, original, strict=True):
        assert any(torch.equal(one, other.roll(roll, (1, 2))) for roll in rolls)
    made = encrypt_folder(tmp_path / "p", tmp_path / "other", Proposed(4), KEY, 16)
    with pytest.raises(ValueError, match=r"encrypted by proposed.*set data\.augment=none"):
        ImageDataModule(folder(str(tmp_path / "other"), 16), 16, None, made.manifest, augment="provider")


def test_a_decrypted_folder_is_one_like_any_other(tmp_path):
    class_folders(tmp_path / "p", {"a": 9, "b": 9})
    made = encrypt_folder(tmp_path / "p", tmp_path / "plain", Plain(), None, 16)
    splits = folder(str(tmp_path / "plain"), 16)
    ImageDataModule(splits, 32, ImageEncryption(LE(4), KEY, (3, 32, 32)), made.manifest, flip=True)


def test_a_folder_that_lacks_a_file_or_has_another_one_is_not_trained_on(tmp_path, enc):
    (tmp_path / "enc" / next(iter(enc.index))).unlink()
    save(tmp_path / "enc" / "a" / "foreign.png", noise(8, 8, 3))
    with pytest.raises(ValueError, match=r"1 missing, .*1 not of this folder, e\.g\. a/foreign\.png.*vitcrypt verify"):
        folder(str(tmp_path / "enc"), 16)


NETWORK = ["model.image_size=16", "model.network.embed_dim=16", "model.network.depth=1", "model.network.num_heads=2"]
SMALL = ["model=vit_micro", *NETWORK, "trainer=cpu", "trainer.max_epochs=1"]
PROGRAM = """
import sys
from vitcrypt.run import main
main()
print("key code:", sorted(name for name in sys.modules if name.startswith("vitcrypt.keys")))
"""


@pytest.mark.slow
def test_a_provider_trains_without_the_code_of_keys_and_records_whose_images_they_were(tmp_path):
    photos = photos_of(tmp_path / "photos", SIDES["square"], SPLITS["train and test"])
    made = encrypt_folder(photos, tmp_path / "provider" / "enc", Proposed(4), KEY, 16)
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM, "data=folder", "data.root=enc", "encryption=received", *SMALL],
        cwd=tmp_path / "provider",
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert printed.returncode == 0, printed.stdout + printed.stderr
    assert "key code: []" in printed.stdout
    (result,) = results(tmp_path / "provider")
    assert result["key"]["fingerprint"] == KEY.fingerprint
    assert result["received"] == made.manifest.summary()
    (checkpoint,) = (tmp_path / "provider").rglob("last.ckpt")
    stamp = torch.load(checkpoint, weights_only=True)["vitcrypt"]
    assert stamp["fingerprint"] == KEY.fingerprint
    assert stamp["received"] == str(made.manifest)
    assert f"key-{KEY.fingerprint}" in checkpoint.parent.name


@pytest.mark.slow
def test_a_packed_folder_gives_the_weights_and_the_record_of_the_folder_and_is_not_encrypted_twice(tmp_path):
    photos = photos_of(tmp_path / "photos", SIDES["square"], SPLITS["train, test and val"])
    made = encrypt_folder(photos, tmp_path / "enc", Proposed(4), KEY, 16).manifest
    pack_npz(tmp_path / "enc", tmp_path / "enc.npz")
    for data in (["data=folder", "data.root=enc"], ["data=npz", "data.root=enc.npz"]):
        finish(*data, "encryption=received", *SMALL, folder=tmp_path)
    of_folder, of_file = results(tmp_path)
    assert (of_folder["config"]["names"]["data"], of_file["config"]["names"]["data"]) == ("folder", "npz")
    assert of_file["received"] == of_folder["received"] == made.summary()
    assert of_file["key"] == of_folder["key"]
    assert of_file["weights"] == of_folder["weights"]
    assert of_file["images"] == {"train": 18, "val": 6, "test": 6}
    for checkpoint in tmp_path.rglob("last.ckpt"):
        assert torch.load(checkpoint, weights_only=True)["vitcrypt"]["fingerprint"] == KEY.fingerprint
        assert f"key-{KEY.fingerprint}" in checkpoint.parent.name
    twice = finish("data=npz", "data.root=enc.npz", "encryption=le", *SMALL, folder=tmp_path, code=1)
    assert "the images are encrypted already" in twice
    assert "set encryption=received" in twice
