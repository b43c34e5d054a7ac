"""Labels of an .npz file: every class has an image or a name."""

import numpy as np
import pytest
from samples import medmnist, written

from vitcrypt.data import npz


def relabelled(path, change, **more):
    arrays = medmnist(train=9, test=6, val=3)
    changed = {name: change(array) if name.endswith("labels") else array for name, array in arrays.items()}
    return written(path / "x.npz", changed | more)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint64, np.int64, ">i2"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_labels_from_0_on_without_gaps_need_no_names(tmp_path, kind, shape):
    splits = npz(relabelled(tmp_path, lambda labels: labels.astype(kind).reshape(shape)))
    assert splits.classes == ["0", "1", "2"]
    assert splits.train.labels.tolist() == [0, 1, 2] * 3
    assert splits.notes == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda labels: labels + 1, "no image has the label 0; do they count from 1? Subtract 1, or add an array"),
        (lambda labels: labels % 2 * 5, "no image has the label 1, 2, 3, 4; number the classes 0, 1, 2"),
        (lambda labels: labels + 7, "no image has the label 0, 1, 2, 3, 4, 5, 6; number"),
        (lambda labels: labels * 10**9, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1,999,999,988 more; number the classes"),
        (
            lambda labels: labels.astype(np.uint64) + np.uint64(2**64 - 3),
            "a name for each label from 0 to 1844674407370",
        ),
    ],
)
def test_a_class_without_image_and_name_is_refused(tmp_path, change, said):
    with pytest.raises(ValueError, match="no image has the label") as refused:
        npz(relabelled(tmp_path, change))
    assert said in str(refused.value)
    assert len(str(refused.value)) < 500


def test_a_class_without_image_may_be_there_if_it_has_a_name_and_is_told(tmp_path):
    names = np.array(["ant", "bee", "cat", "dog"])
    splits = npz(relabelled(tmp_path, lambda labels: labels + 1, classes=names))
    assert splits.classes == ["ant", "bee", "cat", "dog"]
    assert splits.train.labels.tolist() == [1, 2, 3] * 3
    assert splits.notes == tuple(f"no {split} image of ant" for split in ("train", "val", "test"))


def test_a_split_that_lacks_images_of_a_class_is_told(tmp_path):
    arrays = medmnist(train=9, test=4) | {"test_labels": np.array([0, 0, 1, 1])}
    assert npz(written(tmp_path / "x.npz", arrays)).notes == ("no test image of 2",)


@pytest.mark.parametrize(
    ("names", "change", "said"),
    [
        (["ant", "bee"], lambda labels: labels, r"labels are 0\.\.2; expected 0\.\.1"),
        (["ant", "bee", "cat"], lambda labels: labels - 1, r"labels are -1\.\.1; expected 0\.\.2"),
        (
            ["ant", "bee", "cat"],
            lambda labels: labels.astype(np.uint64) + np.uint64(2**63),
            r"labels are 9223372036854775808",
        ),
        (["ant", "bee", "ant"], lambda labels: labels, "each once"),
        ([["ant", "bee", "cat"]], lambda labels: labels, "each once"),
    ],
)
def test_labels_and_names_that_do_not_fit_are_refused(tmp_path, names, change, said):
    with pytest.raises(ValueError, match=said):
        npz(relabelled(tmp_path, change, classes=np.array(names)))
