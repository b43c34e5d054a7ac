"""One job is one folder, however its paths are spelled; it is skipped and resumed only with the inputs it had."""

import json
import re
from pathlib import Path

import pytest
import torch
from made import arrays, photos, picture
from program import SMALL
from weight_files import saved, tiny

from vitcrypt import attack, run
from vitcrypt.experiment.identity import plain_path
from vitcrypt.keys import Key

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("undrawn")]

TINY = [part for part in SMALL if not part.startswith(("data", "trainer.max"))]
TINY += ["trainer.max_epochs=1", "model.image_size=8", "model.batch_size=8"]
ATTACK = ["encryption=proposed", "attack=fr", "image_size=8", "block_size=4", "attack.observation.ciphertexts=2"]


@pytest.fixture
def program(tmp_path, monkeypatch, capfd):
    """Call run or attack in an empty folder: program(*overrides) -> (exit code, what was printed)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))

    def call(*overrides, base=TINY, main=run.main):
        monkeypatch.setattr("sys.argv", ["vitcrypt"])
        code = 0
        try:
            main([*base, *overrides])
        except SystemExit as error:
            code = error.code
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out + err

    return call


def folders():
    return sorted(path.parent for path in Path().rglob("result.json"))


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("photos", "photos"),
        ("photos/", "photos"),
        ("./photos", "photos"),
        ("./a//b/./c/", "a/b/c"),
        ("{here}/photos", "photos"),
        ("{here}", "."),
        ("~/photos", "{home}/photos"),
        ("../other/photos", "{above}/other/photos"),
        ("sub/../photos", "photos"),
        ("/elsewhere/photos/", "/elsewhere/photos"),
        ("link", "link"),
    ],
)
def test_a_path_has_one_spelling(path, plain, tmp_path, monkeypatch):
    here, home = tmp_path / "here", tmp_path / "home"
    (here / "sub").mkdir(parents=True)
    (here / "link").symlink_to(home)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    places = {"here": here, "home": home, "above": tmp_path}
    assert plain_path(path.format(**places)) == plain.format(**places)


def test_a_working_folder_that_was_entered_through_a_link_is_itself(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path / "real")
    monkeypatch.setenv("PWD", str(tmp_path / "link"))
    assert plain_path(f"{tmp_path}/link/photos") == plain_path(f"{tmp_path}/real/photos") == "photos"
    monkeypatch.setenv("PWD", str(tmp_path / "gone"))
    assert plain_path(f"{tmp_path}/link/photos") == f"{tmp_path}/link/photos"


def test_an_unknown_home_is_a_message():
    with pytest.raises(ValueError, match="give the whole path"):
        plain_path("~nobody-of-that-name/photos")


def test_spellings_of_a_path_are_one_run(program, tmp_path):
    photos(Path("photos"))
    for spelling in ("photos", "photos/", "./photos", f"{tmp_path}/photos"):
        code, printed = program("data=folder", f"data.root={spelling}", f"results={tmp_path}/results/")
        assert code == 0, printed
    assert "skipped" in printed
    (folder,) = folders()
    assert "=" not in str(folder)
    assert json.loads((folder / "result.json").read_text())["config"]["data"]["root"] == "photos"


@pytest.mark.parametrize("main", [run.main, attack.main])
def test_what_an_earlier_version_put_elsewhere_is_found(program, tmp_path, main, monkeypatch):
    base = TINY if main == run.main else ATTACK
    photos(Path("photos"))
    command = ["data=folder", f"data.root={tmp_path}/photos"]
    with monkeypatch.context() as patch:  # it counted paths as they were typed, and had no inputs.json
        patch.setattr("vitcrypt.experiment.job.with_plain_paths", lambda config: config)
        assert program(*command, base=base, main=main)[0] == 0
    (folder,) = folders()
    (folder / "inputs.json").unlink()
    record = json.loads((folder / "result.json").read_text())
    del record["inputs"]
    (folder / "result.json").write_text(json.dumps(record))
    old = folder.with_name(re.sub(r"key-(\w+)-seed-", r"key=\1-seed=", folder.name))
    folder.rename(old)
    code, printed = program(*command, base=base, main=main)
    assert code == 0, printed
    assert "finished before, skipped" in printed
    assert "was not compared" in printed
    assert folders() == [old]
    code, printed = program(*command, "resume=false", base=base, main=main)
    assert code == 0, printed
    assert folders() == [old, old / "aside-1"]


def test_a_broken_run_of_an_earlier_version_resumes(program):
    photos(Path("photos"))
    program("data=folder", "data.root=photos")
    (folder,) = folders()
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    del checkpoint["vitcrypt"]["inputs"]
    torch.save(checkpoint, folder / "last.ckpt")
    for name in ("inputs.json", "result.json"):
        (folder / name).unlink()
    code, printed = program("data=folder", "data.root=photos")
    assert code == 0, printed
    assert "resuming" in printed
    assert "was not compared" in printed


def changed_folder():
    picture(Path("photos/cat/003.png"), 999)


def changed_file():
    arrays("d.npz", seed=1)


SOURCES = {
    "folder": (["data=folder", "data.root=photos"], changed_folder, "1 changed (cat/003.png)"),
    "npz": (["data=npz", "data.root=d.npz"], changed_file, "as many, and not the same"),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("main", [run.main, attack.main])
def test_a_finished_job_is_not_skipped_after_its_data_changed(program, source, main):
    base = TINY if main == run.main else ATTACK
    photos(Path("photos"))
    arrays("d.npz")
    command, change, told = SOURCES[source]
    assert program(*command, base=base, main=main)[0] == 0
    code, printed = program(*command, base=base, main=main)
    assert code == 0
    assert "skipped" in printed
    change()
    code, printed = program(*command, base=base, main=main)
    assert code == 1
    assert told in printed
    assert "16 images of 2 classes" in printed
    code, printed = program(*command, "resume=false", base=base, main=main)
    assert code == 0
    assert "aside-1" in printed


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("source", SOURCES)
def test_a_broken_run_does_not_go_on_with_other_data(program, source, kept):
    photos(Path("photos"))
    arrays("d.npz")
    command, change, told = SOURCES[source]
    assert program(*command)[0] == 0
    (folder,) = folders()
    (folder / "result.json").unlink()
    if not kept:
        (folder / "inputs.json").unlink()
    checkpoint = (folder / "last.ckpt").read_bytes()
    change()
    code, printed = program(*command)
    assert code == 1
    assert (told if kept else "was made from other data") in printed
    assert "resume=false" in printed
    assert (folder / "last.ckpt").read_bytes() == checkpoint


def test_a_run_is_not_skipped_after_its_weights_changed(program):
    weights = saved(Path("w.safetensors"), tiny(1, depth=1, size=8, num_classes=10).state_dict())
    command = ["data=digits", "data.limit_train=20", "data.limit_test=20", "model.weights=w.safetensors"]
    code, printed = program(*command)
    assert code == 0, printed
    assert "skipped" in program(*command)[1]
    saved(weights, tiny(2, depth=1, size=8, num_classes=10).state_dict())
    for _ in ("finished", "broken off"):
        code, printed = program(*command)
        assert code == 1, printed
        assert "model.weights: the file's SHA-256 was" in printed
        next(Path().rglob("last.ckpt")).with_name("result.json").unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["weights", "public_weights"])
def test_weights_that_an_attack_cannot_use_are_named_by_their_own_option(program, name):
    state = tiny(1, depth=1, size=8, num_classes=10).state_dict()
    paths = {part: saved(Path(f"{part}.pth"), dict(state)) for part in ("weights", "public_weights")}
    saved(paths[name], state | {"pos_embed": state["pos_embed"] * float("nan")})
    told = [f"attack.observation.{part}={path}" for part, path in paths.items()]
    attack_weights = [*ATTACK, "attack=weights", "data=digits", *told]
    code, printed = program(base=attack_weights, main=attack.main)
    assert code == 1
    assert f"attack.observation.{name}={name}.pth holds NaN" in printed


def test_an_attack_without_lpips_is_not_finished_where_lpips_is_asked_for(program):
    Path("alexnet.pth").touch()
    small = ["data=digits", "attack.observation.public_images=0"]
    assert program(*small, base=ATTACK, main=attack.main)[0] == 0
    code, printed = program(*small, "lpips_weights=alexnet.pth", base=ATTACK, main=attack.main)
    assert code == 1
    assert "was finished without LPIPS" in printed


@pytest.mark.parametrize("main", [run.main, attack.main])
def test_a_passphrase_is_asked_for_once(program, main, monkeypatch):
    Key.generate().write("key.txt", "word")
    asked = []
    monkeypatch.delenv("VITCRYPT_PASSPHRASE", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "word")
    small = ["data=digits", "key=key.txt", "data.limit_train=20", "data.limit_test=20"]
    code, printed = program(*small, base=TINY if main == run.main else ATTACK, main=main)
    assert code == 0, printed
    assert len(asked) == 1
