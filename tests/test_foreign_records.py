"""Records of runs that another party made: nothing in them ends a report, and nothing of the user gets into a page."""

import copy
import os

import pytest

from vitcrypt.report import read_results, write_result
from vitcrypt.report.html import PNG, _picture
from vitcrypt.report.results import FILENAME, KINDS

RESULT = {
    "config": {
        "names": {"data": "digits", "encryption": "le", "model": "vit_tiny"},
        "data": {},
        "model": {},
        "trainer": {},
        "seed": 0,
    },
    "metrics": {"acc": 0.9, "images": 360},
    "training": {"epochs": 3},
    "hardware": {"device": "CPU, 2 cores"},
}


def test_a_record_that_is_a_pipe_or_nested_without_end_is_damaged(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "a" / FILENAME)
    (tmp_path / "b" / FILENAME).write_text("[" * 100_000)
    results, left_out = read_results(tmp_path)
    assert results == []
    assert all("is damaged" in line for line in left_out)
    assert len(left_out) == 2


@pytest.mark.parametrize("place", KINDS)
@pytest.mark.parametrize("value", [True, [["x"]], {"a": 1}, "x"], ids=str)
def test_a_record_with_another_type_than_tables_expect_is_left_out(tmp_path, place, value):
    if isinstance(value, KINDS[place]) and value is not True:
        return
    changed = copy.deepcopy(RESULT)
    *parents, last = place.split(".")
    node = changed
    for part in parents:
        node = node.setdefault(part, {})
    node[last] = value
    write_result(tmp_path, changed)
    results, (line,) = read_results(tmp_path)
    assert results == []
    assert place in line


def test_only_a_png_of_the_run_itself_comes_into_a_page(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(PNG + b"another file of the user")
    picture = tmp_path / "run" / "images.png"
    picture.parent.mkdir()
    picture.symlink_to(secret)
    with pytest.raises(ValueError, match="is a link"):
        _picture(picture, picture.parent)
    picture.unlink()
    picture.write_bytes(b"vitcrypt key, version 1")
    with pytest.raises(ValueError, match="is no PNG"):
        _picture(picture, picture.parent)
    picture.write_bytes(PNG)
    assert _picture(picture, picture.parent) == PNG
