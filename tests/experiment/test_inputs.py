"""A finished or broken job holds only for the data and weights that are there now."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made import arrays, photos, picture

from vitcrypt.experiment import inputs
from vitcrypt.experiment.inputs import FILENAME, settle

FINISHED = SimpleNamespace(inputs=None)


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("job").mkdir()


def config(root, target="folder", weights=None, lpips=None):
    source = {"_target_": f"vitcrypt.data.{target}", "root": root}
    files = {"model.weights": weights, "lpips_weights": lpips}
    return SimpleNamespace(data=SimpleNamespace(source=source), weight_files=files)


def begun():
    Path("job/last.ckpt").touch()


def settled(*where, result=None, **options):
    return settle(config(*where, **options), Path("job"), result)


def replaced_as_if_nothing_had_been(path):
    """Put other contents of the same length and the same time of change in the place of a file."""
    before, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def exchange(one, other):
    one.rename("aside")
    other.rename(one)
    Path("aside").rename(other)


def move(path, to):
    path.rename(to)


CHANGES = {
    "replaced": (lambda base: picture(base / "cat/003.png", 999), "files: 1 changed ("),
    "replaced, size and time kept": (lambda base: replaced_as_if_nothing_had_been(base / "cat/003.png"), "1 changed ("),
    "renamed": (lambda base: move(base / "cat/003.png", base / "cat/x.png"), "1 of them moved or renamed"),
    "in another class": (lambda base: move(base / "cat/003.png", base / "dog/x.png"), "cat 7, dog 9"),
    "removed": (lambda base: (base / "cat/003.png").unlink(), "1 gone ("),
    "added": (lambda base: picture(base / "cat/more.png", 999), "1 new ("),
    "exchanged": (lambda base: exchange(base / "cat/003.png", base / "cat/005.png"), "2 changed ("),
    "labels exchanged": (lambda base: exchange(base / "cat/001.png", base / "dog/001.png"), "2 changed ("),
    "classes exchanged": (lambda base: exchange(base / "cat", base / "dog"), "16 changed ("),
    "a class more": (lambda base: [picture(base / f"emu/{i}.png", i) for i in range(8)], "cat 8, dog 8, emu 8"),
}


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("split", ["", "train", "val", "test"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_job_on_a_folder_is_refused_after_its_images_changed(change, split, finished):
    base = Path("photos")
    photos(base, splits=("train", "val", "test") if split else ("",))
    settled("photos")
    begun()
    kept = Path("job", FILENAME).read_bytes()
    act, told = CHANGES[change]
    act(base / split)
    if change == "a class more" and split:
        act(base / "train")
    with pytest.raises(ValueError, match="resume=false") as error:
        settled("photos", result=FINISHED if finished else None)
    assert told in str(error.value)
    assert "16 images of 2 classes (cat 8, dog 8)" in str(error.value)
    assert Path("job", FILENAME).read_bytes() == kept


def touch(base):
    for path in base.rglob("*.png"):
        os.utime(path, (1, 1))


def copied(base):
    shutil.copytree(base, "copy")
    shutil.rmtree(base)
    shutil.move("copy", base)


@pytest.mark.parametrize("same", [touch, copied, lambda base: (base / "notes.txt").touch()])
def test_files_that_were_touched_or_copied_are_no_others(same, monkeypatch):
    photos(Path("photos"))
    first = settled("photos")
    begun()
    same(Path("photos"))
    again = settled("photos")
    assert again.data.sha256 == first.data.sha256
    monkeypatch.setattr("vitcrypt.data.stamp._contents", lambda path: pytest.fail("nothing changed since"))
    assert settled("photos", result=FINISHED) == again


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda made: made["train_images"].__ixor__(1), "as many, and not the same"),
        (lambda made: made["test_labels"].__setitem__(0, 1), "test 8 images of 2 classes (0 3, 1 5)"),
        (lambda made: made.update({k: v[:6] for k, v in made.items() if "test" in k}), "test 6 images of 2 classes"),
        (lambda made: made.update(classes=np.array(["cat", "dog"])), "16 images of 2 classes (cat 8, dog 8)"),
        (lambda made: made.update(val_images=made["test_images"], val_labels=made["test_labels"]), "val 8 images"),
    ],
)
def test_a_job_on_an_npz_file_is_refused_after_the_file_changed(change, told):
    made = arrays("d.npz")
    settled("d.npz", "npz")
    begun()
    change(made)
    np.savez("d.npz", **made)
    with pytest.raises(ValueError, match="resume=false") as error:
        settled("d.npz", "npz")
    assert "then train 16 images of 2 classes (0 8, 1 8); test 8 images of 2 classes (0 4, 1 4)" in str(error.value)
    assert told in str(error.value)


@pytest.mark.parametrize("option", ["weights", "lpips"])
def test_a_job_is_refused_after_its_weight_file_changed(option):
    Path("w.pth").write_bytes(b"one")
    settled(None, "digits", **{option: "w.pth"})
    begun()
    os.utime("w.pth", (1, 1))
    settled(None, "digits", **{option: "w.pth"})
    replaced_as_if_nothing_had_been(Path("w.pth"))
    with pytest.raises(ValueError, match=rf"{option}.*SHA-256 was [0-9a-f]{{16}}.*resume=false"):
        settled(None, "digits", **{option: "w.pth"}, result=FINISHED)
    Path("w.pth").unlink()
    with pytest.raises(FileNotFoundError, match=rf"{option}.*=w.pth does not exist"):
        settled(None, "digits", **{option: "w.pth"}, result=FINISHED)


def test_a_source_of_ones_own_is_compared_file_by_file():
    photos(Path("photos"))
    (Path("photos") / "table.csv").write_text("1")
    settled("photos", "mine")
    begun()
    (Path("photos") / "table.csv").write_text("2")
    with pytest.raises(ValueError, match=r"1 changed \(table\.csv\)"):
        settled("photos", "mine")


def test_data_that_are_gone_are_no_reason_to_call_it_finished():
    photos(Path("photos"))
    settled("photos")
    shutil.rmtree("photos")
    with pytest.raises(FileNotFoundError, match=r"data\.root=photos does not exist"):
        settled("photos", result=FINISHED)


def test_of_a_large_folder_single_files_are_not_listed_and_still_count(monkeypatch):
    monkeypatch.setattr("vitcrypt.data.stamp.NAMED", 15)
    photos(Path("photos"))
    assert settled("photos").data.files == {}
    begun()
    picture(Path("photos/cat/003.png"), 999)
    with pytest.raises(ValueError, match="as many, and not the same"):
        settled("photos")


def test_where_nothing_came_of_a_job_other_data_are_no_matter():
    photos(Path("photos"))
    settled("photos")
    picture(Path("photos/cat/003.png"), 999)
    assert settled("photos").data.sha256 == inputs.digests_of(Path("job"))["data"]


def test_a_record_alone_is_compared_too():
    photos(Path("photos"))
    made_from = json.loads(json.dumps(settled("photos").summary(None)))
    Path("job", FILENAME).unlink()
    settled("photos", result=SimpleNamespace(inputs=made_from))
    Path("job", FILENAME).unlink()
    picture(Path("photos/cat/003.png"), 999)
    with pytest.raises(ValueError, match="as many, and not the same"):
        settled("photos", result=SimpleNamespace(inputs=made_from))


def test_a_job_of_an_earlier_version_says_that_its_data_were_not_compared(capsys):
    photos(Path("photos"))
    settled("photos", result=FINISHED)
    assert "was not compared" in capsys.readouterr().out
    assert not Path("job", FILENAME).exists()
    settled(None, "digits", result=FINISHED)
    assert "was not compared" not in capsys.readouterr().out


def test_a_damaged_list_of_inputs_is_a_message(tmp_path):
    photos(Path("photos"))
    settled("photos")
    begun()
    Path("job", FILENAME).write_text("{")
    with pytest.raises(ValueError, match=r"inputs\.json is damaged.*resume=false"):
        settled("photos")
