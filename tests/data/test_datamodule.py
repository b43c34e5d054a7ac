"""The way of the data inside a real Trainer, byte for byte, and normalisation at its end."""

from functools import partial

import pytest
import torch
from batches import KEY, SHAPE, Recorder, encrypting, levels, module_of, of_index, same
from PIL import Image

from vitcrypt.data import FileDataset, Splits, normalise, resize
from vitcrypt.data.decode import read_image
from vitcrypt.encryption import ELE, PE, ImageEncryption, Plain, Proposed
from vitcrypt.models import ImageClassifier, ResNet18

PRECISIONS = {"bf16-true": torch.bfloat16, "bf16-mixed": torch.float32, "32-true": torch.float32}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_all_256_levels_stay_distinct_and_the_complement_is_the_negative(dtype):
    level = torch.arange(256, dtype=torch.uint8)
    normal = normalise(level, dtype)
    assert normal.dtype == dtype
    assert normal.unique().numel() == 256
    assert torch.equal(normalise(255 - level, dtype), -normal)
    assert (normal[0], normal[255]) == (-1, 1)
    assert torch.equal(levels(normal), level)


def test_normalisation_is_by_mean_and_deviation_one_half():
    level = torch.arange(256, dtype=torch.uint8)
    assert torch.allclose(normalise(level).double(), (level.double() / 255 - 0.5) / 0.5, atol=1e-7)


def test_normalisation_leaves_its_input_alone():
    level = torch.arange(256, dtype=torch.uint8)
    normalise(level)
    assert torch.equal(level, torch.arange(256, dtype=torch.uint8))


@pytest.mark.parametrize("resident_gib", [4.0, 0.0], ids=["resident", "from the CPU"])
@pytest.mark.parametrize(
    "scheme",
    [None, Plain(), Proposed(4), PE()],
    ids=lambda scheme: getattr(scheme, "name", "none"),
)
def test_what_arrives_in_a_trainer_is_what_prepare_makes_and_decrypts_to_the_resized_image(
    splits, ran, make_trainer, scheme, resident_gib
):
    encryption = encrypting(scheme) if scheme is not None else None
    data = module_of(splits, encryption, augment="none", resident_gib=resident_gib, interpolation="bicubic")
    recorder = ran(data)
    trainer = make_trainer()
    trainer.test(recorder, datamodule=data, verbose=False)
    trainer.predict(recorder, datamodule=data)
    stages = {("train", 0): splits.train, "val": splits.val, "test": splits.test, "predict": splits.test}
    assert recorder.seen.keys() == stages.keys()
    for stage, dataset in stages.items():
        got = recorder.together(stage)
        image, label = of_index(dataset, got["index"])
        assert sorted(got["index"].tolist()) == dataset.index.tolist()
        assert torch.equal(got["label"], label)
        assert torch.equal(got["image"], data.prepare(image, got["index"], training=False))
        assert got["image"].shape[1:] == SHAPE
        received, plain = levels(got["image"]), resize(image, 16, "bicubic")
        assert torch.equal(received if encryption is None else encryption.decrypt(received), plain)
        if scheme is not None and scheme.name != "plain":
            assert not torch.equal(received, plain)


def test_validation_test_and_prediction_see_the_images_in_order(splits, ran, make_trainer):
    data = module_of(splits)
    recorder = ran(data)
    make_trainer().test(recorder, datamodule=data, verbose=False)
    make_trainer().predict(recorder, datamodule=data)
    for stage, dataset in (("val", splits.val), ("test", splits.test), ("predict", splits.test)):
        assert torch.equal(recorder.together(stage)["index"], dataset.index)
    assert not torch.equal(recorder.together(("train", 0))["index"], splits.train.index)


def test_the_sanity_check_and_validate_see_validation_images(splits, make_trainer):
    recorder, data = Recorder(), module_of(splits)
    make_trainer(max_epochs=1, num_sanity_val_steps=1).fit(recorder, datamodule=data)
    assert torch.equal(recorder.together("sanity")["index"], splits.val.index[:8])
    recorder.seen.clear()
    make_trainer().validate(recorder, datamodule=data, verbose=False)
    assert torch.equal(recorder.together("val")["index"], splits.val.index)


def test_without_a_validation_split_nothing_is_validated(splits, ran):
    recorder = ran(module_of(Splits(splits.train, splits.test, splits.classes)))
    assert recorder.seen.keys() == {("train", 0)}


@pytest.mark.parametrize(("precision", "resident_gib"), zip(PRECISIONS, (4.0, 0.0, 4.0), strict=True))
def test_the_cipher_gets_8_bit_images_of_the_networks_size(splits, ran, precision, resident_gib):
    class Spy(ImageEncryption):
        asked: list = []  # noqa: RUF012

        def forward(self, image, index=None):
            self.asked.append((image.dtype, tuple(image.shape[1:]), len(index) == len(image)))
            return super().forward(image, index)

    ran(module_of(splits, Spy(Proposed(4), KEY, SHAPE), resident_gib=resident_gib), precision=precision)
    assert len(Spy.asked) == 4 + 2
    assert set(Spy.asked) == {(torch.uint8, SHAPE, True)}


@pytest.mark.parametrize("key_scope", ["shared", "per_image"])
def test_images_on_the_device_and_images_from_the_cpu_make_the_same_batches(splits, ran, key_scope):
    options = {"crop_padding": 2, "flip": True, "seed": 3}
    one, other = (
        ran(module_of(splits, encrypting(key_scope=key_scope), resident_gib=gib, **options), epochs=2) for gib in (4, 0)
    )
    assert one.seen.keys() == other.seen.keys()
    for stage in one.seen:
        assert same(one.seen[stage], other.seen[stage])


@pytest.mark.slow
def test_files_decoded_by_worker_processes_make_the_batches_that_images_in_memory_make(splits, ran, tmp_path):
    def on_disk(dataset):
        paths = [tmp_path / f"{index}.png" for index in dataset.index.tolist()]
        for path, image in zip(paths, dataset.images, strict=True):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
        return FileDataset(paths, dataset.labels, dataset.index, partial(read_image, size=8))

    files = Splits(on_disk(splits.train), on_disk(splits.test), splits.classes, on_disk(splits.val))
    options = {"encryption": encrypting(), "crop_padding": 2, "flip": True}
    held = ran(module_of(splits, **options), epochs=2)
    for workers in (0, 2):
        read = ran(module_of(files, **options, num_workers=workers), epochs=2)
        assert held.seen.keys() == read.seen.keys()
        for stage in held.seen:
            assert same(held.seen[stage], read.seen[stage])


@pytest.mark.parametrize("scheme", [Proposed(4), ELE(4)], ids=lambda scheme: scheme.name)
def test_images_under_keys_of_their_own_decrypt_exactly_by_their_index(splits, ran, make_trainer, scheme):
    encryption = encrypting(scheme, "per_image")
    data = module_of(splits, encryption, augment="none")
    recorder = ran(data)
    make_trainer().test(recorder, datamodule=data, verbose=False)
    for stage, dataset in ((("train", 0), splits.train), ("val", splits.val), ("test", splits.test)):
        got = recorder.together(stage)
        image, _ = of_index(dataset, got["index"])
        received, plain = levels(got["image"]), resize(image, 16)
        assert torch.equal(encryption.decrypt(received, got["index"]), plain)
        assert not torch.equal(encryption.decrypt(received, got["index"] + 1), plain)
        alone = ImageEncryption(scheme, KEY.for_image(int(got["index"][0])), SHAPE)
        assert torch.equal(alone.decrypt(received[0]), plain[0])


@pytest.mark.parametrize(("precision", "resident_gib"), zip(PRECISIONS, (4.0, 0.0, 4.0), strict=True))
def test_batches_arrive_in_the_type_of_the_weights_and_a_step_runs(splits, make_trainer, precision, resident_gib):
    seen = []

    class Watched(ImageClassifier):
        def training_step(self, batch, batch_idx):
            seen.append(batch["image"])
            return super().training_step(batch, batch_idx)

    network = ResNet18(num_classes=7, width=2)
    before = network.fc.weight.clone()
    classifier = Watched(network, 7, lambda parameters: torch.optim.SGD(parameters, lr=0.1))
    data = module_of(splits, encrypting(), augment="none", resident_gib=resident_gib)
    make_trainer(max_epochs=1, precision=precision).fit(classifier, datamodule=data)
    assert {image.dtype for image in seen} == {PRECISIONS[precision]}
    assert {parameter.dtype for parameter in network.parameters()} == {PRECISIONS[precision]}
    assert not torch.equal(network.fc.weight.float(), before)
    assert torch.cat([levels(image) for image in seen]).unique().numel() == 256


def test_the_data_module_counts_the_classes(splits):
    assert module_of(splits).num_classes == 7


def test_the_standalone_methods_need_no_trainer(splits):
    data = module_of(splits, encrypting())
    image, index = splits.test.images, splits.test.index
    assert torch.equal(data.plain(image), resize(image, 16))
    assert torch.equal(data.encrypted(image, index), data.encryption(resize(image, 16)))
    assert torch.equal(levels(data.prepare(image, index, training=False)), data.encrypted(image, index))


def test_floats_are_no_images_to_be_encrypted(splits):
    image, index = torch.zeros(2, 3, 16, 16), torch.arange(2)
    assert module_of(splits, augment="none").plain(image) is image
    with pytest.raises(TypeError, match="uint8"):
        module_of(splits, encrypting(), augment="none").encrypted(image, index)
