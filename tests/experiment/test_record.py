"""The record of a run or an attack comes first: nothing that is drawn or sent after it costs it, and it is JSON."""

import ast
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from configurations import attack_values as config
from program import SMALL, results
from recorded import training, typed
from samples import medmnist, written

import vitcrypt
from vitcrypt import run
from vitcrypt.experiment.attack import run as attack
from vitcrypt.report import figures
from vitcrypt.report.results import FORMAT, finite, write_result

pytestmark = pytest.mark.slow

NAMES = [
    "$a_{$",
    r"\frac",
    "a\nb",
    "\x1b[2J",
    "x" * 300,
    "猫",
    "\U0001f408",
    "[/red]",
    "",
    "\u202ecat",
    "%s{}",
    "\ud800",
]


@pytest.fixture
def program(tmp_path, monkeypatch, capfd):
    """Run in this process, in an empty folder: program(*overrides) -> what was printed."""
    monkeypatch.chdir(tmp_path)

    def call(*overrides, code=0):
        monkeypatch.setattr("sys.argv", ["vitcrypt"])
        ended = 0
        try:
            run.main([*SMALL, "trainer.max_epochs=1", *overrides])
        except SystemExit as error:
            ended = error.code
        printed = "".join(capfd.readouterr())
        assert ended == code, printed
        return printed

    return call


def test_a_run_leaves_a_record_and_pictures_and_says_where(program, tmp_path):
    printed = program("trainer.max_epochs=2")
    (result,) = results(tmp_path)
    (folder,) = {path.parent for path in tmp_path.rglob("result.json")}
    assert result["format"] == FORMAT
    assert result["metrics"]["images"] == 40 == sum(map(sum, result["metrics"]["confusion"]))
    assert result["key"] == {
        "fingerprint": "694a10fbdc42e4cc",
        "public_test_key": "test-0",
        "nominal_bits": pytest.approx(48.83, abs=0.01),  # 16! * 4!
        "effective_bits": pytest.approx(48.83, abs=0.01),
    }
    assert [epoch["epoch"] for epoch in result["training"]["history"]] == [0, 1]
    assert result["images"] == {"train": 86, "val": 10, "test": 40}
    assert result["classes"] == [str(i) for i in range(10)]
    for name in ("result.json", "images.png"):
        assert str((folder / name).relative_to(tmp_path)) in printed
    assert {"result.json", "images.png", "confusion.png", "config.yaml", "last.ckpt"} <= {
        p.name for p in folder.iterdir()
    }
    assert "anyone can decrypt" in printed, "a public test key must say that it is none"


def no_space(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("lost", ["print_png", "examples", "publish"])
def test_what_fails_after_the_record_is_a_warning(program, tmp_path, monkeypatch, lost):
    from vitcrypt.experiment import loggers, record

    place = {"print_png": figures.FigureCanvasAgg, "examples": record, "publish": loggers}[lost]
    monkeypatch.setattr(place, lost, no_space)
    printed = program()
    (result,) = results(tmp_path)
    assert result["metrics"]["images"] == 40
    assert "No space left" in printed
    assert "result.json does without it" in printed
    missing = {"print_png": ["images", "confusion"], "examples": ["images"], "publish": []}[lost]
    for name in missing:
        assert f"{name}.png is missing" in printed
    assert len(list(tmp_path.rglob("*.png"))) == 2 - len(missing)
    assert not list(tmp_path.rglob("*.part"))
    assert "skipped" in program()


def test_names_of_classes_are_drawn_as_they_are(program, tmp_path):
    arrays = medmnist(side=8, train=24, test=6) | {"classes": np.array(["$a_{$", r"\frac{", "猫"])}
    program("data=npz", f"data.root={written(tmp_path / 'x.npz', arrays)}", "data.limit_train=null")
    assert results(tmp_path)[0]["classes"] == ["$a_{$", r"\frac{", "猫"]
    assert len(list(tmp_path.rglob("*.png"))) == 2


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_can_be_drawn(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures.confusion_matrix(tmp_path / "c.png", [[2, 1], [0, 3]], [name, "b"])
        figures.image_grid(tmp_path / "i.png", {"plain": [np.zeros((8, 8, 3), np.uint8)] * 2}, [name, "b"])
    assert {path.name for path in tmp_path.iterdir()} == {"c.png", "i.png"}


@pytest.mark.parametrize("confusion", [[[3]], [3], 3])
def test_a_confusion_matrix_of_one_class_is_drawn(tmp_path, confusion):
    assert figures.confusion_matrix(tmp_path / "c.png", confusion, ["only"]).stat().st_size > 1000


def test_a_diverged_run_is_told_and_its_record_is_json(program, tmp_path):
    overrides = ["model.optimizer.lr=1e30", "model.gradient_clip=null", "trainer.max_epochs=3", "model.warmup_steps=0"]
    assert "the loss is not finite in epoch 1, and the training ended with epoch 1" in program(*overrides)
    (path,) = tmp_path.rglob("result.json")

    def strict(constant):
        raise AssertionError(f"{constant} is not JSON")

    result = json.loads(path.read_text(), parse_constant=strict)
    assert result["training"]["diverged"] == result["training"]["epochs"] == 1
    assert result["metrics"]["loss"] is None
    assert result["training"]["history"][0]["train/loss"] is None
    assert "the loss is not finite" in program(*overrides), "also when it is skipped"


def test_a_diverged_run_that_was_killed_before_its_record_does_not_train_on(program, tmp_path):
    overrides = ["model.optimizer.lr=1e30", "model.gradient_clip=null", "trainer.max_epochs=3", "model.warmup_steps=0"]
    program(*overrides)
    (path,) = tmp_path.rglob("result.json")
    before = json.loads(path.read_text())
    path.unlink()
    program(*overrides)
    assert json.loads(path.read_text())["training"] == before["training"]


def test_a_run_that_goes_well_is_not_called_diverged(program, tmp_path):
    program()
    assert "diverged" not in results(tmp_path)[0]["training"]


def test_numbers_that_are_not_finite_become_null(tmp_path):
    node = {"a": [1.5, math.nan, (math.inf, -math.inf)], "b": {"c": math.nan, "d": "nan", "e": True, "f": 2**70}}
    expected = {"a": [1.5, None, [None, None]], "b": {"c": None, "d": "nan", "e": True, "f": 2**70}}
    assert finite(node) == expected
    write_result(tmp_path, typed(training() | node))
    read = json.loads((tmp_path / "result.json").read_text())
    assert {name: read[name] for name in node} == expected


@pytest.mark.parametrize("lost", ["images.png", "images.npz"])
def test_an_attack_whose_pictures_cannot_be_kept_has_its_record(tmp_path, monkeypatch, capsys, lost):
    place, name = (figures.FigureCanvasAgg, "print_png") if lost == "images.png" else (np, "savez_compressed")
    monkeypatch.setattr(place, name, no_space)
    attack(config(tmp_path, "pe", "fr", "attack.observation.ciphertexts=3"))
    assert f"{lost} is missing" in capsys.readouterr().out
    (folder,) = (path.parent for path in tmp_path.rglob("result.json"))
    assert not (folder / lost).exists()


def test_an_attack_that_is_broken_off_at_its_pictures_has_them_after_the_same_command(tmp_path, monkeypatch):
    def ctrl_c(*_):
        raise KeyboardInterrupt

    asked = config(tmp_path, "pe", "fr", "attack.observation.ciphertexts=3")
    with monkeypatch.context() as patch:
        patch.setattr(figures.FigureCanvasAgg, "print_png", ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            attack(asked)
    attack(asked)
    assert {path.name for path in tmp_path.rglob("*.*")} >= {"result.json", "images.png", "images.npz"}


def test_all_json_that_is_written_refuses_what_is_not_json():
    calls = [
        (path, call)
        for path in Path(vitcrypt.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("json.dumps", "json.dump")
        if not any(word.arg == "sort_keys" for word in call.keywords)  # those are keys and digests
    ]
    assert len(calls) > 5
    for path, call in calls:
        strict = any(word.arg == "allow_nan" and ast.unparse(word.value) == "False" for word in call.keywords)
        assert strict, f"{path}:{call.lineno} writes NaN where there is one; say allow_nan=False"
