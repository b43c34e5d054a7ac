"""Records of runs, the table of them, and pictures, down to pixels."""

import errno
import json
import os
import warnings

import numpy as np
import pytest
from PIL import Image
from recorded import changed, training, typed

from vitcrypt.report.figures import confusion_matrix, image_grid
from vitcrypt.report.frame import summary
from vitcrypt.report.records import TrainingResult
from vitcrypt.report.results import FILENAME, FORMAT, read_result, read_results, write_result


def result(encryption="proposed", acc=0.9, seed=0, **changes):
    """Return a record; `changes` go into the configuration, "part__name"."""
    record = training(encryption, "vit_micro", acc, seed, data="digits")
    return typed(changed(record, **{f"config__{where}": value for where, value in changes.items()}))


# result.json


def test_a_result_is_read_as_it_was_written(tmp_path):
    written = training() | {"text": "naïve λ", "none": None, "nested": [[1, 2.5], {"a": True}]}
    assert write_result(tmp_path, typed(written)) == tmp_path / "result.json"
    assert read_result(tmp_path, TrainingResult).values() == {"format": FORMAT, **written}
    assert json.loads((tmp_path / "result.json").read_text()) == {"format": FORMAT, **written}


def test_a_second_result_takes_the_place_of_the_first_and_nothing_else_is_left(tmp_path):
    write_result(tmp_path, result(acc=0.1))
    write_result(tmp_path, result(acc=0.2))
    assert read_result(tmp_path, TrainingResult).metrics.acc == 0.2
    assert [path.name for path in tmp_path.iterdir()] == [FILENAME]


@pytest.mark.parametrize("there", [True, False])
def test_a_full_disk_keeps_the_old_result_and_says_so(tmp_path, monkeypatch, there):
    if there:
        write_result(tmp_path, result(acc=0.1))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*result\.json: .*No space left .*nothing that was there is lost"):
        write_result(tmp_path, result(acc=0.2))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_result_that_json_cannot_hold_leaves_the_old_one(tmp_path):
    write_result(tmp_path, result(acc=0.1))
    with pytest.raises(TypeError):
        write_result(tmp_path, result(trainer__x=object()))
    assert read_result(tmp_path, TrainingResult).metrics.acc == 0.1
    assert [path.name for path in tmp_path.iterdir()] == [FILENAME]


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_a_result_may_be_read_by_whom_the_umask_lets(tmp_path):
    umask = os.umask(0o022)
    try:
        mode = write_result(tmp_path, result()).stat().st_mode
    finally:
        os.umask(umask)
    assert mode & 0o777 == 0o644


def test_no_result_is_none(tmp_path):
    assert read_result(tmp_path, TrainingResult) is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": "vitcrypt', b"\xff\xfe\x00", b"not json"])
def test_a_damaged_result_is_named_with_what_to_do(tmp_path, content):
    (tmp_path / FILENAME).write_bytes(content)
    with pytest.raises(ValueError, match=r"result\.json is damaged .*; remove it"):
        read_result(tmp_path, TrainingResult)


@pytest.mark.parametrize("content", ["{}", "[]", "3", '"vitcrypt result 1"', '{"format": "vitcrypt result 2"}'])
def test_a_result_of_another_format_is_named_with_what_to_do(tmp_path, content):
    (tmp_path / FILENAME).write_text(content)
    with pytest.raises(ValueError, match=r"result\.json is no 'vitcrypt result 1'; move it away"):
        read_result(tmp_path, TrainingResult)


def test_all_results_below_a_folder_are_read_and_what_could_not_be_is_listed(tmp_path):
    for name, encryption in (("b/c", "le"), ("a", "plain")):
        (tmp_path / name).mkdir(parents=True)
        write_result(tmp_path / name, result(encryption))
    for name, content in (("d", "{"), ("e/f", "{}")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / FILENAME).write_text(content)
    (tmp_path / "g").mkdir()
    results, left_out = read_results(tmp_path)
    assert [entry.folder for entry in results] == [tmp_path / "a", tmp_path / "b" / "c"]
    assert [entry.config.names.encryption for entry in results] == ["plain", "le"]
    assert len(left_out) == 2
    assert str(tmp_path / "d") in left_out[0]
    assert "damaged" in left_out[0]
    assert str(tmp_path / "e" / "f") in left_out[1]


def test_a_folder_without_results_has_none(tmp_path):
    assert read_results(tmp_path) == ([], [])
    assert read_results(tmp_path / "nowhere") == ([], [])


# The table


def rows(results):
    """Return the table as one dict a row."""
    table = summary(results)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_every_run_is_a_row_with_its_accuracy_in_percent():
    table = rows([result("le", 0.91239), result("plain", 0.975), result("etc", 0.5, names__model="resnet18")])
    assert [(row["encryption"], row["model"], row["accuracy"]) for row in table] == [
        ("etc", "resnet18", "50.00"),
        ("le", "vit_micro", "91.24"),
        ("plain", "vit_micro", "97.50"),
    ]
    assert {(row["data"], row["seed"], row["images"], row["epochs"]) for row in table} == {
        ("digits", "0", "10000", "2")
    }


def test_the_difference_is_to_the_plain_run_and_the_plain_run_has_none():
    table = rows([result("le", 0.90), result("plain", 0.975), result("pe", 0.98)])
    assert {row["encryption"]: row["to plain"] for row in table} == {"le": "-7.50", "pe": "+0.50", "plain": ""}


def test_the_plain_run_may_have_a_learning_rate_of_its_own():
    table = rows([result("le", 0.90), result("plain", 0.95, model__optimizer={"lr": 0.01})])
    assert table[0]["to plain"] == "-5.00"


@pytest.mark.parametrize(
    "plain",
    [
        result("plain", data__source="npz"),
        result("plain", seed=1),
        result("plain", data__limit_train=100),
        result("plain", data__image_size=32),
        result("plain", data__augment="none"),
        result("plain", model__schedule="constant"),
        result("plain", trainer__max_epochs=30),
        result("plain", trainer__max_steps=30),
        result("etc"),
    ],
    ids=["data", "seed", "images", "image size", "augmentation", "schedule", "epochs", "steps", "not plain"],
)
def test_a_run_is_compared_with_no_plain_run_of_another_recipe(plain):
    assert {row["to plain"] for row in rows([result("le"), plain])} == {""}


def test_each_seed_is_compared_with_its_own_plain_run():
    runs = [("le", 0.7, 0), ("le", 0.81, 1), ("plain", 0.9, 0), ("plain", 0.91, 1)]
    table = rows([result(*run) for run in runs])
    assert [(row["encryption"], row["seed"], row["to plain"]) for row in table] == [
        ("le", "0", "-20.00"),
        ("le", "1", "-10.00"),
        ("plain", "0", ""),
        ("plain", "1", ""),
    ]


def test_the_table_prints_and_names_the_hardware():
    from rich.console import Console

    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(summary([result("le", 0.8), result("plain", 0.9)]).rich())
    text = console.export_text()
    for expected in ("80.00", "-10.00", "90.00", "le", "plain", "a machine"):
        assert expected in text


# Pictures


RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)


def picture(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def places(pixels, colour):
    """Return the rows and columns of the pixels of exactly this colour."""
    return (pixels == colour).all(-1).nonzero()


def flat(*colours, side=8):
    return np.stack([np.full((side, side, 3), colour, np.uint8) for colour in colours])


def test_images_stand_in_their_rows_and_columns_at_the_same_size(tmp_path):
    path = image_grid(tmp_path / "x.png", {"plain": flat(RED, GREEN), "encrypted": flat(BLUE, YELLOW)}, ["a", "b"])
    assert path == tmp_path / "x.png"
    pixels = picture(path)
    found = {colour: places(pixels, colour) for colour in (RED, GREEN, BLUE, YELLOW)}
    counts = [len(rows) for rows, _ in found.values()]
    assert min(counts) > 5000
    assert max(counts) < 1.1 * min(counts)
    centre = {colour: (rows.mean(), columns.mean()) for colour, (rows, columns) in found.items()}
    assert centre[RED][0] == pytest.approx(centre[GREEN][0], abs=2)
    assert centre[RED][1] == pytest.approx(centre[BLUE][1], abs=2)
    assert centre[RED][0] < centre[BLUE][0]
    assert centre[RED][1] < centre[GREEN][1]


def test_pixels_of_an_image_are_shown_without_smoothing(tmp_path):
    row, column = np.indices((8, 8))
    board = np.where(((row + column) % 2 == 0)[..., None], RED, BLUE).astype(np.uint8)
    pixels = picture(image_grid(tmp_path / "x.png", {"plain": board[None]}, ["a"]))
    red, blue = len(places(pixels, RED)[0]), len(places(pixels, BLUE)[0])
    assert red == pytest.approx(blue, rel=0.05)
    assert red + blue > 10000
    assert len(places(pixels, (128, 0, 128))[0]) + len(places(pixels, (127, 0, 128))[0]) == 0


def test_one_row_of_one_image_is_a_picture_too(tmp_path):
    assert len(places(picture(image_grid(tmp_path / "x.png", {"received": flat(RED)}, ["a"])), RED)[0]) > 5000


def test_a_row_with_too_few_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match="zip"):
        image_grid(tmp_path / "x.png", {"plain": flat(RED)}, ["a", "b"])


FULL_BLUE = (8, 48, 107)  # the dark end of matplotlib's "Blues"


def test_a_perfect_confusion_matrix_is_dark_on_its_diagonal_alone(tmp_path):
    path = confusion_matrix(tmp_path / "x.png", [[9, 0, 0], [0, 5, 0], [0, 0, 7]], ["ant", "bee", "cat"])
    assert path == tmp_path / "x.png"
    rows, columns = places(picture(path)[:, : picture(path).shape[1] * 3 // 4], FULL_BLUE)  # without the colour bar
    assert len(rows) > 3000
    assert np.corrcoef(rows, columns)[0, 1] > 0.8


def test_rows_of_a_confusion_matrix_are_true_classes_and_shown_as_shares(tmp_path):
    first = picture(confusion_matrix(tmp_path / "x.png", [[0, 0, 8], [0, 0, 0], [0, 0, 0]], ["a", "b", "c"]))
    rows, columns = places(first[:, : first.shape[1] * 3 // 4], FULL_BLUE)
    assert rows.mean() < first.shape[0] / 3
    assert columns.mean() > first.shape[1] / 3
    even = picture(confusion_matrix(tmp_path / "y.png", [[4, 4], [4, 4]], ["a", "b"]))
    assert len(places(even[:, : even.shape[1] * 3 // 4], FULL_BLUE)[0]) == 0


def test_a_class_without_images_is_no_division_by_zero(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        confusion_matrix(tmp_path / "x.png", [[3, 1], [0, 0]], ["a", "b"])
    assert picture(tmp_path / "x.png").std() > 0


@pytest.mark.slow
def test_the_picture_grows_with_the_number_of_classes_and_stays_small_enough(tmp_path):
    sizes = []
    for count in (2, 10, 40):
        confusion = np.eye(count, dtype=int).tolist()
        sizes.append(picture(confusion_matrix(tmp_path / "x.png", confusion, [str(i) for i in range(count)])).shape[0])
    assert sizes == sorted(set(sizes))
    assert sizes[-1] <= 14 * 120
