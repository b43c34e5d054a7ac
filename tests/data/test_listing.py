"""Which files of a messy folder are images, what is told of the others, and what is refused."""

import os
import socket
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from samples import class_folders, noise, save

from vitcrypt.data.layout import describe_left_out
from vitcrypt.data.listing import list_folder, list_images

APPLE_DOUBLE = b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(48)


@pytest.fixture
def photos(tmp_path):
    return class_folders(tmp_path / "photos", {"cat": 4, "dog": 3})


def copy(photos, name):
    """Put a further image there, whatever its name."""
    path = photos / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(8, 8, 3, seed=99)).save(path, format="PNG")


def put(photos, name, data=b"x"):
    path = photos / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def counted(photos):
    listing = list_folder(photos)
    return Counter(listing.classes[file.label] for file in listing.files), listing.left_out


@pytest.mark.parametrize(
    "name", ["more.png", "MORE.PNG", "more.JPG", "deep/more.Tiff", "more", "IMG0042", "deep/deeper/x"]
)
def test_an_image_is_one_by_its_extension_or_without_one_by_its_contents(photos, name):
    copy(photos, f"dog/{name}")
    assert counted(photos) == ({"cat": 4, "dog": 4}, {})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("photo.heic", ".heic"),
        ("PHOTO.HEIC", ".heic"),
        ("raw.cr2", ".cr2"),
        ("labels.csv", ".csv"),
        ("Thumbs.db", ".db"),
        ("desktop.ini", ".ini"),
        ("README", "without an extension"),
        ("000.png.part", ".part"),
        ("scene.svg", ".svg"),
        (".hidden.png", "hidden"),
        ("._000.png", "hidden"),
        (".DS_Store", "hidden"),
        (".thumbnails/000.png", "in hidden or system folders"),
        (".ipynb_checkpoints/000-checkpoint.png", "in hidden or system folders"),
        ("@eaDir/000.png/SYNOPHOTO.jpg", "in hidden or system folders"),
        ("__MACOSX/000.png", "in hidden or system folders"),
        ("#recycle/000.png", "in hidden or system folders"),
    ],
)
@pytest.mark.parametrize("place", ["dog/deep", "."])
def test_what_is_no_image_is_left_out_and_counted_by_kind(photos, name, kind, place):
    put(photos, f"{place}/{name}")
    assert counted(photos) == ({"cat": 4, "dog": 3}, {kind: 1})


@pytest.mark.parametrize("splits", [("",), ("train", "test")])
def test_images_outside_of_the_class_folders_are_counted(tmp_path, splits):
    for split in splits:
        class_folders(tmp_path / split, {"cat": 2, "dog": 2})
        copy(tmp_path / split, "cover.png")
    images, left_out = counted(tmp_path)
    assert images == {"cat": 2 * len(splits), "dog": 2 * len(splits)}
    assert left_out == {"outside of the class folders": len(splits)}


@pytest.mark.parametrize("name", ["cat/more.png", "cat/00.jpg"])
def test_a_folder_that_is_called_like_an_image_is_a_folder(photos, name):
    (photos / name).mkdir()
    assert counted(photos) == ({"cat": 4, "dog": 3}, {})
    copy(photos, f"{name}/1.png")
    assert counted(photos) == ({"cat": 5, "dog": 3}, {})


def test_a_class_without_an_image_is_named_with_what_it_holds(photos):
    for number in range(20):
        put(photos, f"emu/{number}.heic")
    with pytest.raises(ValueError, match=r"class folder .*emu holds no image \(left out: 20 \.heic; convert images"):
        list_folder(photos)


def test_what_was_left_out_is_told_in_one_line_however_much_it_is():
    assert describe_left_out(Counter()) == ""
    assert describe_left_out(Counter({".txt": 2})) == "left out: 2 .txt"
    assert (
        describe_left_out(Counter({".heic": 2000})) == "left out: 2,000 .heic; convert images among them to PNG or JPEG"
    )
    line = describe_left_out(Counter({f".{number}": number for number in range(1, 100)}))
    assert line.startswith("left out: 99 .99, 98 .98, ")
    assert "90 .90 and 89 more" in line


# Links, and what cannot be read


@pytest.mark.parametrize("name", ["cat/annexed.png", "cat/deep/annexed", "emu", "cat/more"])
def test_a_link_without_target_is_refused_by_name(photos, name):
    (photos / name).parent.mkdir(exist_ok=True)
    (photos / name).symlink_to("../../objects/absent.png")
    with pytest.raises(
        ValueError, match=rf"cannot read .*{name}: it is a link to \.\./\.\./objects/absent\.png, which"
    ):
        list_folder(photos)


@pytest.mark.parametrize("name", ["cat/.#lock", ".venv"])
def test_a_hidden_link_without_target_is_left_out_as_hidden(photos, name):
    (photos / name).symlink_to("nowhere")
    assert counted(photos) == ({"cat": 4, "dog": 3}, {"hidden": 1})


@pytest.mark.parametrize("place", ["emu", "cat/more", "cat/deep/more"])
def test_folders_are_followed_by_link(photos, tmp_path, place):
    class_folders(tmp_path, {"elsewhere": 5}, first=50)
    (photos / place).parent.mkdir(exist_ok=True)
    (photos / place).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    images, _ = counted(photos)
    assert images.total() == 12
    assert images["emu" if place == "emu" else "cat"] == (5 if place == "emu" else 9)


def test_files_are_followed_by_link(photos, tmp_path):
    copy(tmp_path, "elsewhere.png")
    (photos / "cat" / "more.png").symlink_to(tmp_path / "elsewhere.png")
    assert counted(photos)[0]["cat"] == 5


@pytest.mark.parametrize(
    ("place", "target"), [("cat/up", ".."), ("cat/same", "."), ("cat/dogs", "../dog"), ("emu", "cat")]
)
def test_a_folder_that_would_be_read_twice_is_refused_by_both_names(photos, place, target):
    (photos / place).symlink_to(target, target_is_directory=True)
    with pytest.raises(ValueError, match=r"are one folder, by a link, and each counts once") as refused:
        list_folder(photos)
    assert str(photos / place) in str(refused.value)


def test_a_test_folder_that_is_the_training_folder_by_a_link_is_refused(tmp_path):
    class_folders(tmp_path / "train", {"cat": 2, "dog": 2})
    (tmp_path / "test").symlink_to("train")
    with pytest.raises(ValueError, match="are one folder"):
        list_folder(tmp_path)


def test_a_link_to_itself_is_refused_by_name(photos):
    (photos / "cat" / "loop.png").symlink_to("loop.png")
    with pytest.raises(ValueError, match=r"cannot read .*loop\.png: Too many levels"):
        list_folder(photos)


def test_pipes_and_sockets_are_refused_by_name(photos, monkeypatch):
    os.mkfifo(photos / "cat" / "pipe.png")
    with pytest.raises(ValueError, match=r"pipe\.png is a named pipe, not a file; move it out"):
        list_folder(photos)
    (photos / "cat" / "pipe.png").unlink()
    monkeypatch.chdir(photos / "cat")  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(ValueError, match="socket is a socket, not a file"):
            list_folder(photos)


@pytest.mark.parametrize("place", ["", "cat", "cat/deep", "cat/000.png"])
def test_a_folder_or_image_that_may_not_be_read_is_refused_by_name(photos, monkeypatch, place):
    copy(photos, "cat/deep/1.png")
    closed, access = photos / place, os.access  # root may read all
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and access(path, mode))
    with pytest.raises(ValueError, match=f"you may not read {closed}; change its permissions"):
        list_folder(photos)


@pytest.mark.parametrize("place", ["", "cat", "cat/deep"])
def test_a_folder_that_the_disk_does_not_list_is_refused_by_name(photos, monkeypatch, place):
    copy(photos, "cat/deep/1.png")
    broken, scandir = photos / place, os.scandir

    def failing(path):
        if path == broken:
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(ValueError, match=f"cannot read {broken}: Input/output error"):
        list_folder(photos)


def test_a_file_name_of_any_bytes_is_listed(photos):
    copy(photos, os.fsdecode(b"cat/caf\xe9.png"))
    assert counted(photos)[0]["cat"] == 5


# Asking: files, and folders of files


def test_asking_takes_files_as_they_are_and_of_folders_the_images(photos):
    put(photos, "cat/._000.png", APPLE_DOUBLE)
    put(photos, "cat/notes.txt")
    (photos / "cat" / "00.jpg").mkdir()
    copy(photos, "loose")
    copy(photos, "@eaDir/000.png")
    files, left_out = list_images([photos, photos / "cat" / "notes.txt"])
    assert files == [*sorted(photos.glob("[cd]*/0*.png")), photos / "loose", photos / "cat" / "notes.txt"]
    assert left_out == {"hidden": 1, ".txt": 1, "in hidden or system folders": 1}
    save(photos / "more" / "1.png", noise(4, 4, 3))
    assert list_images([photos / "more"]) == ([photos / "more" / "1.png"], {})


def test_asking_for_what_is_not_there_is_refused(photos):
    with pytest.raises(FileNotFoundError, match=r"none\.png does not exist; name image files, or folders of them"):
        list_images([photos / "cat" / "000.png", photos / "none.png"])


def test_asking_for_a_folder_without_images_is_refused_with_what_it_holds(tmp_path):
    put(tmp_path, "a.heic")
    with pytest.raises(ValueError, match=r"holds no image \(left out: 1 \.heic"):
        list_images([tmp_path])
