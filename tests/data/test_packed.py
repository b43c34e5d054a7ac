"""Training from tar files where they are: the images of the folder, and of another party's no more than these."""

import hashlib
import json
import pickle
import re
import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from batches import Recorder, module_of
from commands import KEY, described
from lightning.pytorch.callbacks import ModelCheckpoint
from samples import class_folders, every, some
from tar_files import several

from vitcrypt.data import ArrayDataset, ShardDataset, folder, remote, shards
from vitcrypt.encryption import EtCJPEG, Proposed
from vitcrypt.experiment.identity import plain_path
from vitcrypt.folders import decrypt_folder, encrypt_folder, pack_shards


@pytest.fixture(scope="module", params=["proposed", "jpeg"])
def packed(request, tmp_path_factory):
    """An encrypted folder with train, val and test, and three tar files of it."""
    root = tmp_path_factory.mktemp("packed")
    for first, split in enumerate(("train", "val", "test")):
        class_folders(root / "photos" / split, {"ant": 4, "bee": 3}, first=1000 * first)
    scheme = Proposed(4) if request.param == "proposed" else EtCJPEG(16)
    encrypt_folder(root / "photos", root / "enc", scheme, KEY, image_size=16 if request.param == "proposed" else 32)
    several(root / "enc", root / "tars")
    return root


@pytest.fixture
def tars(enc, tmp_path):
    several(enc, tmp_path / "tars")
    return tmp_path / "tars"


@pytest.mark.parametrize("gib", [4.0, 0.0], ids=["in memory", "in files"])
def test_tar_files_give_the_images_labels_and_indices_of_the_folder_in_their_order(packed, gib):
    of_folder, of_shards = folder(str(packed / "enc"), 32), shards(str(packed / "tars"), gib)
    assert of_shards.classes == of_folder.classes
    for one, other in zip(some(of_folder), some(of_shards), strict=True):
        assert isinstance(other, ArrayDataset if gib else ShardDataset)
        chosen = torch.tensor([5, 0, 3])
        for of_one, of_other in ((one, other), (one.subset(chosen), other.subset(chosen))):
            for name, value in every(of_one).items():
                assert torch.equal(value, every(of_other)[name])
                assert value.dtype == every(of_other)[name].dtype


def test_a_folder_of_classes_is_split_alike_and_decrypted_images_are_read_too(enc, tmp_path):
    decrypt_folder(enc, tmp_path / "dec", KEY)
    for place in (enc, tmp_path / "dec"):
        pack_shards(place, tmp_path / f"{place.name}-tars")
        of_folder, of_shards = folder(str(place), 16), shards(str(tmp_path / f"{place.name}-tars"))
        for one, other in zip(some(of_folder), some(of_shards), strict=True):
            assert all(torch.equal(value, every(other)[name]) for name, value in every(one).items())


def test_a_tar_file_is_opened_once_in_a_process_and_no_open_file_travels(tars, monkeypatch):
    train = shards(str(tars), 0.0).train
    opened, before = [], type(train.files).open
    monkeypatch.setattr(type(train.files), "open", lambda self, number: opened.append(number) or before(self, number))
    other = pickle.loads(pickle.dumps(train))
    for _ in range(2):
        assert torch.equal(every(other)["image"], every(other.subset(torch.arange(len(other))))["image"])
    assert sorted(opened) == [0, 1, 2]


class Scheduled(Recorder):
    """As networks with a schedule do, it asks how many steps there will be: workers begin then, before a resume."""

    def configure_optimizers(self):
        assert self.trainer.estimated_stepping_batches > 0
        return super().configure_optimizers()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_sees_the_images_that_it_would_have_seen_with_workers_too(tars, tmp_path, make_trainer, workers):
    def run(epochs, checkpoint=None):
        at_end = ModelCheckpoint(tmp_path, filename="{epoch}", save_on_train_epoch_end=True, save_top_k=-1)
        recorder = Scheduled()
        trainer = make_trainer(max_epochs=epochs, enable_checkpointing=True, callbacks=[at_end])
        data = module_of(shards(str(tars), 0.0), batch_size=4, num_workers=workers)
        trainer.fit(recorder, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        return recorder.seen

    run(2)
    kept = tmp_path / "epoch=1.ckpt"
    orders = [[batch["index"].tolist() for batch in run(3, file)["train", 2]] for file in (None, kept)]
    assert orders[0] == orders[1]


def test_an_image_that_was_changed_in_its_tar_file_is_refused_when_it_is_read(tars):
    data = bytearray((tars / "000001.tar").read_bytes())
    data[tarfile.BLOCKSIZE + 60] ^= 1
    (tars / "000001.tar").write_bytes(data)
    parts = some(shards(str(tars), 0.0))
    with pytest.raises(ValueError, match=r"000001\.tar: the image at byte 512 is not the one of the manifest"):
        list(map(every, parts))


def test_an_image_that_the_checksum_fits_but_is_another_kind_is_refused(tars):
    with tarfile.open(tars / "000000.tar") as shard:
        member = shard.next()
    data = bytearray((tars / "000000.tar").read_bytes())
    data[512 : 512 + member.size] = bytes(member.size)
    (tars / "000000.tar").write_bytes(data)
    checksum = hashlib.sha256(bytes(member.size)).hexdigest()
    described(tars, lambda content: content["files"][member.name].update(sha256=checksum))
    with pytest.raises(ValueError, match="is no PNG image that can be read"):
        shards(str(tars)).loaded()


def longer(path):
    with tarfile.open(path) as shard:
        member = shard.next()
    member.size = 2**40
    path.write_bytes(member.tobuf())


def foreign(path):
    with tarfile.open(path, "a") as shard:
        shard.addfile(tarfile.TarInfo("ant/\x1b[1m.png"))


def linked(path):
    path.rename(path.parents[1] / "elsewhere.tar")
    path.symlink_to(path.parents[1] / "elsewhere.tar")


CHANGES = {
    "is missing": (lambda path: path.unlink(), "8 images in 2 tar files, and its manifest has 12"),
    "is there twice": (lambda path: (path.parent / "9.tar").write_bytes(path.read_bytes()), "16 images in 4 tar files"),
    "ends too early": (lambda path: path.write_bytes(path.read_bytes()[:900]), "unexpected end of data"),
    "is larger than an image": (longer, "1,099,511,627,776 bytes; an image of the manifest takes"),
    "holds something else": (foreign, "the manifest does not know it"),
    "is a link": (linked, "is a link"),
    "is no tar file": (lambda path: path.write_bytes(b"no" * 2000), "000001.tar: "),
    "has a neighbour": (lambda path: (path.parent / "x.py").touch(), r"what is no tar file \(x\.py\)"),
    "is alone": (lambda path: (path.parent / "manifest.json").unlink(), r"holds no manifest\.json"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_trained_on_where_a_tar_file(tars, change):
    change, words = CHANGES[change]
    change(tars / "000001.tar")
    with pytest.raises((ValueError, FileNotFoundError), match=words) as refused:
        shards(str(tars))
    assert str(refused.value).isprintable()


def test_what_holds_no_tar_files_is_told_which_source_reads_it(enc, tmp_path):
    (tmp_path / "one.npz").touch()
    for root, words in ((enc, "set data=folder"), (tmp_path / "one.npz", "is a file"), (None, "needs data.root=PATH")):
        with pytest.raises((ValueError, FileNotFoundError), match=words):
            shards(root and str(root))
    with pytest.raises(FileNotFoundError, match=r"is an address.*set data=shards"):
        folder("s3://bucket/enc", 16)


# From an address


@pytest.fixture
def store(tars, tmp_path, monkeypatch):
    """A store in the memory of this process that holds the tar files, and notes what is read from it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    system, read = fsspec.filesystem("memory"), []
    system.put(str(tars), "/bucket", recursive=True)
    before = type(system).open
    monkeypatch.setattr(type(system), "open", lambda *args, **more: read.append(args[1]) or before(*args, **more))
    yield system, read
    system.rm("/bucket", recursive=True)


def test_an_address_gives_what_the_folder_gives_and_each_file_is_fetched_once(store, tars, tmp_path):
    _, read = store
    for gib in (4.0, 0.0):
        for one, other in zip(some(shards(str(tars))), some(shards("memory://bucket/", gib)), strict=True):
            assert all(torch.equal(value, every(other)[name]) for name, value in every(one).items())
    assert sorted(read) == [f"/bucket/{name}" for name in ("000000.tar", "000001.tar", "000002.tar", "manifest.json")]


def test_a_fetch_that_was_broken_off_goes_on_and_another_state_is_fetched_anew(store, tars):
    system, read = store
    near = remote.shards_near("memory://bucket", 1.0)
    (near / "000001.tar").unlink()
    read.clear()
    assert remote.shards_near("memory://bucket", 1.0) == near
    assert read == ["/bucket/000001.tar"]
    system.put(str(tars / "manifest.json"), "/bucket/manifest.json")
    assert remote.shards_near("memory://bucket", 1.0) != near


def test_what_cannot_be_fetched_says_what_to_do_and_tells_no_credentials(store, tars, monkeypatch):
    system, _ = store
    monkeypatch.setattr("vitcrypt.data.store.WAITS", ())
    refused = {
        "memory://elsewhere": "holds no manifest.json",
        "https://user:hunter2@host/x": "no user, password or signature",
        "https://host/x?X-Amz-Signature=hunter2": "no user, password or signature",
        "http://127.0.0.1:9/x": "cannot read|needs a package",  # nobody answers: that is not "nothing is there"
        "sftp://host/x": "data come from s3://",
    }
    for address, words in refused.items():
        with pytest.raises((ValueError, FileNotFoundError, ConnectionError), match=words) as error:
            shards(address)
        assert "hunter2" not in str(error.value)
    with pytest.raises(ValueError, match=r"cache_gib=1e-06 of .*raise it"):
        shards("memory://bucket", cache_gib=1e-6)
    for number in range(3, 20):
        system.pipe(f"/bucket/{number:06}.tar", b"")
    with pytest.raises(ValueError, match="more tar files than the 12 images"):
        shards("memory://bucket")


def test_an_address_stays_what_it_is():
    assert plain_path("s3://bucket/a/") == "s3://bucket/a"


# Other programs


DOCS = Path(__file__).parents[2] / "docs"


def test_webdataset_reads_what_pack_writes(packed):
    webdataset = pytest.importorskip("webdataset", reason="needs webdataset")
    of_folder = every(folder(str(packed / "enc"), 32).train)
    stream = webdataset.WebDataset(str(packed / "tars" / "{000000..000002}.tar"), shardshuffle=False).decode(
        "torchrgb8"
    )
    found = {sample["__key__"]: sample for sample in stream}
    names = sorted(name for name in found if name.startswith("train/"))
    images = [next(value for name, value in found[key].items() if name in ("png", "jpg")) for key in names]
    assert len(found) == 21
    assert torch.equal(torch.stack(images), of_folder["image"])


@pytest.mark.parametrize(
    ("package", "document"),
    [("webdataset", "object-stores"), ("webdataset", "owner-and-provider"), ("datasets", "object-stores")],
)
def test_the_examples_of_the_documents_read_what_pack_writes(packed, tmp_path, monkeypatch, package, document):
    found = {"json": json, package: pytest.importorskip(package, reason=f"needs {package}")}
    blocks = re.findall(r"^```python\n(.*?)^```$", (DOCS / f"{document}.md").read_text(), re.DOTALL | re.MULTILINE)
    (example,) = [block for block in blocks if "shards" in block and f"{package}." in block]
    of_folder, kind = folder(str(packed / "enc"), 32), next((packed / "enc").rglob("0*")).suffix[1:]
    (tmp_path / "shards").symlink_to(packed / "tars")
    monkeypatch.chdir(tmp_path)
    exec(example.replace("000009", "000002").replace('"png"', f'"{kind}"'), found)
    if package == "datasets":
        assert found["name"].startswith("test/ant/")
        pixels = torch.from_numpy(np.asarray(found["image"]).transpose(2, 0, 1).copy())
        assert torch.equal(pixels, of_folder.test.batch([0])["image"][0])
        assert len(list(found["images"])) == 21
    elif document == "object-stores":  # one tar file
        assert {label for _, label in found["images"]} <= {0, 1}
    else:
        assert sorted(label for _, label in found["dataset"]) == sorted(of_folder.train.labels.tolist())
