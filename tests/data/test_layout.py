"""Which folders are taken for splits and which for classes, and what is refused as neither."""

import unicodedata

import pytest
from samples import class_folders

from vitcrypt.data import TEST_INDEX
from vitcrypt.data.layout import split_role
from vitcrypt.data.listing import list_folder

SPLITS = [
    ("train", "test"),
    ("Train", "Test"),
    ("train", "Test"),
    ("TRAIN", "val"),
    ("Training", "Testing"),
    ("trn", "tst"),
    ("tr", "validation"),
    ("seg_train", "seg_test"),
    ("asl_alphabet_train", "asl_alphabet_test"),
    ("train_images", "test_images"),
    ("images_train", "images_val"),
    ("train-set", "test-set"),
    ("trainImages", "valImages"),
    ("train2017", "val2017"),
    ("Training Data", "Validation Data"),
    ("data.train", "test"),
]
CLASSES = {"cat": 3, "dog": 2}


def listed(base, *splits, counts=CLASSES):
    for first, split in enumerate(splits):
        class_folders(base / split, counts, side=2, first=100 * first)
    return list_folder(base)


def counts_of(listing):
    names = [(file.split, listing.classes[file.label]) for file in listing.files]
    return {name: names.count(name) for name in dict.fromkeys(names)}


@pytest.mark.parametrize(("train", "test"), SPLITS)
def test_splits_are_known_by_their_usual_names(tmp_path, train, test):
    listing = listed(tmp_path, train, test)
    assert listing.classes == ["cat", "dog"]
    assert [file.index for file in listing.files] == [*range(5), *range(TEST_INDEX, TEST_INDEX + 5)]
    splits = listing.splits()
    assert {split: len(files) for split, files in splits.items()} == {"train": 5, "test": 5}
    for split, name in (("train", train), ("test", test)):
        assert [file.path for file in splits[split]] == sorted((tmp_path / name).glob("*/*.png"))
    assert listing.lines()[0].startswith("2 classes: cat 6, dog 4 (train 5, ")


def test_splits_in_other_words_become_those_that_every_program_knows_and_this_is_said(tmp_path):
    listing = listed(tmp_path, "Training", "seg_data", "Testing", "valid")
    assert [*dict.fromkeys(file.split for file in listing.files)] == ["train", "test", "valid"]
    assert "takes Training/ for train, Testing/ for test, valid/ for val" in listing.lines()
    assert "left out beside train, test, val: seg_data/ (5 files)" in listing.lines()


@pytest.mark.parametrize("other", ["dev", "unlabeled", "extra", "eval"])
def test_folders_beside_the_splits_are_told_as_left_out(tmp_path, other):
    listing = listed(tmp_path, "train", "test", other)
    assert len(listing.files) == 10
    assert f"left out beside train, test: {other}/ (5 files)" in listing.lines()


@pytest.mark.parametrize(
    "names", [("train", "Train", "test"), ("train", "test", "Testing"), ("train", "training", "val")]
)
def test_two_folders_for_one_split_are_refused(tmp_path, names):
    with pytest.raises(ValueError, match=r"has 2 folders that could be (train|test)/: .*leave one"):
        listed(tmp_path, *names)


@pytest.mark.parametrize("names", [("a_train", "a_test", "b_train", "b_test")])
def test_two_pairs_of_splits_are_refused(tmp_path, names):
    with pytest.raises(ValueError, match="2 folders that could be train/: a_train, b_train"):
        listed(tmp_path, *names)


@pytest.mark.parametrize("name", ["train", "Train", "training", "bullet_train", "test", "val", "tr"])
def test_a_class_that_is_called_like_a_split_stays_a_class(tmp_path, name):
    listing = list_folder(class_folders(tmp_path, {"car": 3, "plane": 3, name: 4}, side=2))
    assert listing.classes == sorted(["car", "plane", name])
    assert counts_of(listing) == {("", "car"): 3, ("", "plane"): 3, ("", name): 4}
    said = any("is taken for a class" in line for line in listing.lines())
    assert said == (split_role(name)[1] == ())


@pytest.mark.parametrize("flat", ["train", "test"])
def test_a_split_without_class_folders_is_named(tmp_path, flat):
    for split in ("train", "test"):
        class_folders(tmp_path, {split: 3}) if split == flat else class_folders(tmp_path / split, CLASSES)
    with pytest.raises(ValueError, match=rf"{flat} has no class folders; expected"):
        list_folder(tmp_path)


def test_a_train_folder_alone_is_a_split_and_has_nothing_to_test_on(tmp_path):
    listing = listed(tmp_path, "Train", "dev")
    assert counts_of(listing) == {("train", "cat"): 3, ("train", "dog"): 2}
    with pytest.raises(ValueError, match=r"has train/ but no test/; .*data\.root=.*Train"):
        listing.splits()


@pytest.mark.parametrize(
    ("names", "inner"),
    [
        (("Learn", "Exam"), CLASSES),
        (("fold1", "fold2", "fold3"), CLASSES),
        (("test", "val"), CLASSES),
        (("site a", "site b"), {"benign": 2, "malignant": 2}),
        (("cat", "dog"), {"train": 2, "test": 2}),
        (("bullet_train", "test"), CLASSES),
        (("Entrainement", "Essai"), {"0": 1, "1": 1, "2": 1}),
    ],
)
def test_folders_that_hold_the_same_folders_each_are_no_classes(tmp_path, names, inner):
    with pytest.raises(ValueError, match=r"hold no image themselves but the same folders .*Splits\?") as refused:
        listed(tmp_path, *names, counts=inner)
    for name in (*names, *inner):
        assert name in str(refused.value)


def test_splits_with_a_class_less_are_no_classes_either(tmp_path):
    class_folders(tmp_path / "Learn", CLASSES)
    class_folders(tmp_path / "Exam", {"Cat": 2})
    with pytest.raises(ValueError, match="the same folders"):
        list_folder(tmp_path)


def test_splits_beside_a_folder_of_images_are_no_classes_either(tmp_path):
    class_folders(tmp_path, {"unlabeled": 3})
    with pytest.raises(ValueError, match=r"Exam, Learn hold no image themselves but the same folders \(cat, dog\)"):
        listed(tmp_path, "Learn", "Exam")


@pytest.mark.parametrize(
    "files",
    [
        ("cat/a/1.png", "cat/b/2.png", "dog/1.png", "dog/2.png"),
        ("cat/a/1.png", "cat/b/2.png", "dog/c/1.png", "dog/d/2.png"),
        ("cat/images/1.png", "cat/images/2.png", "dog/images/1.png", "dog/images/2.png"),
        ("cat/a/1.png", "cat/b/2.png", "cat/0.png", "dog/a/1.png", "dog/b/2.png"),
        ("cat/a/b/c/1.png", "dog/a/b/c/1.png"),
    ],
)
def test_folders_within_a_class_belong_to_it(tmp_path, files):
    for file in files:
        path = tmp_path / file
        class_folders(path.parent.parent, {path.parent.name: 1})
        (path.parent / "000.png").rename(path)
    listing = list_folder(tmp_path)
    assert [file.path.relative_to(tmp_path).as_posix() for file in listing.files] == sorted(files)
    assert listing.classes == ["cat", "dog"]
    assert [file.name for file in listing.files] == [name.partition("/")[2] for name in sorted(files)]


@pytest.mark.parametrize("inner", ["dataset", "a/b/c"])
@pytest.mark.parametrize("splits", [("",), ("train", "test")])
def test_a_folder_one_level_too_high_is_refused_with_the_one_to_name(tmp_path, inner, splits):
    (tmp_path / "__MACOSX" / inner / "cat").mkdir(parents=True)
    (tmp_path / "README.md").write_text("Images of cats and dogs.")
    for split in splits:
        class_folders(tmp_path / inner / split, CLASSES)
    with pytest.raises(ValueError, match=rf"one level too high\? .*data\.root={tmp_path}/{inner}, or vitcrypt encrypt"):
        list_folder(tmp_path)
    assert len(list_folder(tmp_path / inner).files) == 5 * len(splits)


def test_splits_whose_classes_lie_one_level_deeper_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"seg_train holds one folder, seg_train/: one level too high\?"):
        listed(tmp_path, "seg_train/seg_train", "seg_test/seg_test")


@pytest.mark.parametrize("splits", [("",), ("train", "test")])
def test_one_class_is_refused(tmp_path, splits):
    with pytest.raises(ValueError, match="holds one class, cat: nothing to tell apart"):
        listed(tmp_path, *splits, counts={"cat": 5})


def test_a_class_folder_itself_is_refused_with_the_folder_to_name(tmp_path):
    class_folders(tmp_path, CLASSES)
    with pytest.raises(ValueError, match=rf"has no class folders; .*it holds images itself: is {tmp_path} the folder"):
        list_folder(tmp_path / "cat")


FORMS = [unicodedata.normalize(form, "caf\N{LATIN SMALL LETTER E WITH ACUTE}") for form in ("NFC", "NFD")]


def test_one_class_in_two_forms_of_unicode_is_refused_and_the_two_can_be_told_apart(tmp_path):
    with pytest.raises(ValueError, match=r"one class twice, .*'cafe\\u0301' and 'caf\\xe9'"):
        list_folder(class_folders(tmp_path, {FORMS[0]: 2, FORMS[1]: 2, "dog": 3}))


@pytest.mark.parametrize("train", FORMS)
@pytest.mark.parametrize("test", FORMS)
def test_a_class_is_the_same_in_either_form_of_unicode(tmp_path, train, test):
    class_folders(tmp_path / "train", {train: 2, "cafz": 2, "bee": 1})
    class_folders(tmp_path / "test", {test: 1, "cafz": 1})
    listing = list_folder(tmp_path)
    assert listing.classes == ["bee", "cafz", FORMS[0]]
    assert [file.label for file in listing.files] == [0, 1, 1, 2, 2, 1, 2]
    assert "no test image of bee" in listing.lines()


@pytest.mark.slow
def test_many_classes_are_told_in_one_short_line(tmp_path):
    for number in range(300):
        class_folders(tmp_path, {f"class {number:03}": 1 + number % 4}, side=1)
    (line,) = list_folder(tmp_path).lines()
    assert line.startswith("300 classes, of 1 to 4 images: class 000 1, class 001 2, ")
    assert line.endswith("class 009 2 and 290 more")
