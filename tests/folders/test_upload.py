"""Tar files at an address: those of a local folder, however often the making of them was broken off, and no others."""

import fsspec
import pytest
from samples import class_folders

from vitcrypt.data.store import Store
from vitcrypt.encryption import Proposed
from vitcrypt.folders import encrypt_folder, pack, pack_shards, upload, verify_folder, verify_store
from vitcrypt.jobs import forked
from vitcrypt.keys import Key

KEY, OTHER = Key.from_bytes(bytes(range(32))), Key.from_bytes(bytes(32))
PLACE = "memory://bucket/enc"


@pytest.fixture
def photos(tmp_path):
    return class_folders(tmp_path / "photos", {"ant": 5, "bee": 4})


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A store in memory, a cache of its own, and tar files of at most some three images."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in (upload, pack):
        monkeypatch.setattr(module, "room_in", lambda _: 6000)
    system = fsspec.filesystem("memory")
    yield system
    if system.exists("/bucket"):
        system.rm("/bucket", recursive=True)


@pytest.fixture
def there(system):
    """What lies in a folder of the store, by its name."""

    def found(place="enc"):
        return {path.removeprefix(f"/bucket/{place}/"): system.cat(path) for path in system.find(f"/bucket/{place}")}

    return found


def encrypt(photos, out=PLACE, key=KEY):
    out = Store(out) if isinstance(out, str) else out
    return encrypt_folder(photos, out, Proposed(4), key, image_size=16, workers=2)


@pytest.fixture
def local(photos, tmp_path, system):
    """The same images, encrypted and packed on this machine, by the name of each file."""
    encrypt(photos, tmp_path / "enc")
    pack_shards(tmp_path / "enc", tmp_path / "tars")
    return {path.name: path.read_bytes() for path in (tmp_path / "tars").iterdir()}


@pytest.mark.parametrize("many", [False, True], ids=["threads", "processes"])
def test_encrypt_and_pack_write_the_files_of_this_machine_to_an_address(
    photos, local, there, tmp_path, monkeypatch, many
):
    monkeypatch.setattr(forked, "MANY", 1 if many else 256)
    monkeypatch.setattr(upload, "AHEAD_BYTES", 1)
    assert encrypt(photos).written == 9
    assert len(local) > 3
    assert there() == local
    assert encrypt(photos).written == 0
    pack_shards(tmp_path / "enc", Store("memory://bucket/packed"))
    assert there("packed") == local
    assert not any(path.is_file() for path in (tmp_path / "cache").rglob("*"))


@pytest.mark.parametrize("answer_lost", [False, True])
def test_a_job_that_breaks_off_at_any_file_goes_on_and_makes_none_twice(
    photos, local, there, system, monkeypatch, answer_lost
):
    made, put = [], type(system).put_file

    def breaking(self, path, name, **options):
        if answer_lost:
            put(self, path, name, **options)
        if name not in made:
            made.append(name)
            raise ConnectionError("gone")
        if not answer_lost:
            put(self, path, name, **options)

    monkeypatch.setattr(type(system), "put_file", breaking)
    for _ in range(2 + 2 * (len(local) - 1)):
        with pytest.raises(ConnectionError, match=r"cannot write memory://bucket/enc/.*: gone"):
            encrypt(photos)
    encrypt(photos)
    assert there() == local


def test_what_is_not_of_the_job_is_refused_and_stays(photos, there, system, tmp_path, monkeypatch):
    system.pipe("/bucket/enc/holiday.jpg", b"photo")
    with pytest.raises(FileExistsError, match=r"holds what is not of this job \(holiday.jpg\)"):
        encrypt(photos)
    assert there() == {"holiday.jpg": b"photo"}
    system.rm("/bucket/enc/holiday.jpg")
    with monkeypatch.context() as once:
        once.setattr(upload._Upload, "tidy", lambda self: None)
        encrypt(photos)
    system.rm("/bucket/enc/manifest.json")
    before = there()
    assert {"job.json", "000000.json"} < before.keys()
    with pytest.raises(FileExistsError, match=r"(?s)another job.*fingerprint"):
        encrypt(photos, key=OTHER)
    (photos / "ant" / "000.png").write_bytes((photos / "bee" / "000.png").read_bytes())
    with pytest.raises(FileExistsError, match="1 of the pictures were others"):
        encrypt(photos)
    assert there() == before
    system.pipe("/bucket/enc/000000.tar", b"other")
    with pytest.raises(FileExistsError, match=r"000000.tar is not the one of its note"):
        encrypt(photos)
    system.pipe("/bucket/enc/000000.json", b"{}")
    with pytest.raises(ValueError, match="damaged or not trustworthy"):
        encrypt(photos)


def test_a_file_that_another_program_made_meanwhile_is_not_replaced(photos, there, system, monkeypatch):
    make = upload._Upload.tar_files

    def meanwhile(self, names):
        for number, note in enumerate(make(self, names)):
            system.pipe(f"/bucket/enc/{number:06}.tar", b"of another")
            yield note

    monkeypatch.setattr(upload._Upload, "tar_files", meanwhile)
    with pytest.raises(FileExistsError, match=r"000000.tar exists, and nothing is overwritten"):
        encrypt(photos)
    assert there()["000000.tar"] == b"of another"
    assert "manifest.json" not in there()


def test_verify_reads_all_that_lies_at_an_address(photos, local, system, tmp_path):
    encrypt(photos)
    assert verify_store(Store(PLACE)) == verify_folder(tmp_path / "tars")
    assert verify_store(Store(PLACE))[1] == []
    data = bytearray(system.cat("/bucket/enc/000001.tar"))
    data[700] ^= 1
    system.pipe("/bucket/enc/000001.tar", bytes(data))
    system.pipe("/bucket/enc/notes.txt", b"?")
    (changed, foreign) = verify_store(Store(PLACE))[1]
    assert changed.startswith("000001.tar: ")
    assert foreign == "notes.txt: foreign: no shard"
    system.put(str(tmp_path / "enc"), "/bucket/folder", recursive=True)
    assert verify_store(Store("memory://bucket/folder"))[1] == []
    system.rm("/bucket/folder/ant/000000.png")
    system.pipe("/bucket/folder/bee/x.png", b"")
    wrong = verify_store(Store("memory://bucket/folder"))[1]
    assert wrong == ["ant/000000.png: missing", "bee/x.png: foreign: the manifest does not know it"]


def test_the_commands_take_addresses(vitcrypt, photos, local, system, there, tmp_path):
    system.put(str(photos), "/bucket/photos", recursive=True)
    small = ("--key-file", str(tmp_path / "key.txt"), "--image-size", 16, "--block-size", 4)
    KEY.write(tmp_path / "key.txt")
    code, printed = vitcrypt("encrypt", "memory://bucket/photos", PLACE, *small)
    assert code == 0, printed
    assert "was brought to" in printed
    assert "9 images in memory://bucket/enc, 9 written now" in printed
    assert there() == local
    code, printed = vitcrypt("verify", PLACE)
    assert code == 0, printed
    system.put(str(tmp_path / "enc"), "/bucket/folder", recursive=True)
    code, printed = vitcrypt("pack", "memory://bucket/folder", "memory://bucket/packed")
    assert code == 0, printed
    assert there("packed") == local
    code, printed = vitcrypt("pack", (tmp_path / "enc").as_uri(), "tars of a file address")
    assert code == 0, printed
    for wrong, words in (
        (("pack", "enc", "memory://bucket/x.npz"), "at an address lie tar files"),
        (("decrypt", PLACE, "dec", *small[:2]), "this works on folders of this machine"),
        (("encrypt", "photos", "https://host/enc", *small), "nothing is written to http://"),
        (("encrypt", "photos", "other", *small, "--shard-mib", 5), "--shard-mib is for tar files at an address"),
        (("encrypt", "photos", "s3://user:hunter2@host/x", *small), "no user, password or signature"),
    ):
        code, printed = vitcrypt(*wrong)
        assert code != 0
        assert words in " ".join(printed.replace("│", " ").split())
        assert "hunter2" not in printed
        assert "Traceback" not in printed
