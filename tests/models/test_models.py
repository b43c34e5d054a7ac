"""Networks, and the LightningModule against plain loops."""

import math

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from configurations import composed
from lightning import Callback
from torch import nn
from torch.utils.data import DataLoader

from vitcrypt.data import ArrayDataset, ImageDataModule, Splits
from vitcrypt.data.transforms import normalise
from vitcrypt.encryption import LE, GrayscaleEtC, ImageEncryption, Proposed
from vitcrypt.keys import Key
from vitcrypt.models import ConvMixer, ImageClassifier, ResNet18
from vitcrypt.models.networks import build_network


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def batches(count, num_classes, size, seed=0):
    """Return a loader of `count` random images whose last batch is smaller."""
    images, labels = noise(count, 3, 4, 4, seed=seed), torch.arange(count) * 5 % num_classes
    parts = [torch.arange(count)[i : i + size] for i in range(0, count, size)]
    return DataLoader([{"image": images[p], "label": labels[p], "index": p} for p in parts], batch_size=None)


def linear(num_classes, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, num_classes))


# Networks


@pytest.mark.parametrize(("num_classes", "parameters"), [(10, 11_173_962), (100, 11_220_132)])
def test_resnet18_has_the_parameters_of_the_original_with_the_cifar_stem(num_classes, parameters):
    with torch.device("meta"):
        network = ResNet18(num_classes)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_convmixer_has_the_parameters_that_its_definition_gives():
    with torch.device("meta"):
        network = ConvMixer(10)
    stem, head = 256 * (3 * 4 * 4 + 1) + 2 * 256, 257 * 10
    layer = 256 * (5 * 5 + 1) + 256 * 257 + 2 * 2 * 256  # depthwise, pointwise, two normalisations
    assert sum(parameter.numel() for parameter in network.parameters()) == stem + 8 * layer + head == 603_402


def test_the_vit_of_the_paper_has_86_million_parameters():
    with torch.device("meta"):
        network = timm.create_model("vit_base_patch16_224.orig_in21k", num_classes=10)
    assert sum(parameter.numel() for parameter in network.parameters()) == 85_806_346


def tiny_vit(size=12, num_classes=7):
    options = {"img_size": size, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2}
    return timm.create_model("vit_tiny_patch16_224", num_classes=num_classes, **options)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (ResNet18(7, width=4), (8, 8)),
        (ResNet18(7, width=4), (9, 9)),
        (ResNet18(7, width=4), (33, 19)),
        (ResNet18(7, width=3, in_chans=3), (16, 24)),
        (tiny_vit(12), (12, 12)),
        (tiny_vit(20), (20, 20)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "x".join(map(str, value)),
)
def test_a_network_takes_any_size_and_gradients_reach_every_parameter(network, shape):
    logits = network(noise(3, 3, *shape))
    assert logits.shape == (3, 7)
    F.cross_entropy(logits, torch.tensor([0, 3, 6])).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert sum(bool(parameter.grad.any()) for parameter in network.parameters()) > 0.9 * len(list(network.parameters()))


def test_resnet18_may_be_narrower_and_take_other_channels():
    network = ResNet18(5, width=8, in_chans=1)
    assert network.fc.in_features == 64
    assert network(noise(2, 1, 8, 8)).shape == (2, 5)


def test_resnet18_halves_the_resolution_three_times_and_no_more():
    network = ResNet18(10, width=2)
    assert network.stages(network.stem(noise(1, 3, 32, 32))).shape == (1, 16, 4, 4)


# Measures


@pytest.mark.parametrize(("num_classes", "count", "size"), [(3, 23, 8), (5, 16, 8), (6, 23, 8), (10, 1, 8)])
def test_the_test_counts_every_image_and_agrees_with_a_plain_loop(make_trainer, num_classes, count, size):
    network, loader = linear(num_classes), batches(count, num_classes, size)
    classifier = ImageClassifier(network, num_classes, sgd)
    make_trainer().test(classifier, loader, verbose=False)
    result = classifier.test_result

    correct = among_five = loss = 0
    confusion = [[0] * num_classes for _ in range(num_classes)]
    with torch.no_grad():
        for batch in loader:
            for image, label in zip(batch["image"], batch["label"].tolist(), strict=True):
                logits = network.eval()(image[None])[0].double()
                order = logits.argsort(descending=True).tolist()
                correct += order[0] == label
                among_five += label in order[:5]
                confusion[label][order[0]] += 1
                loss -= float(logits.log_softmax(0)[label])
    assert result["images"] == count
    assert result["confusion"] == confusion
    assert result["acc"] == pytest.approx(correct / count, abs=1e-6)
    assert result["acc"] == pytest.approx(sum(confusion[i][i] for i in range(num_classes)) / count, abs=1e-6)
    assert result["loss"] == pytest.approx(loss / count, abs=1e-5)
    assert ("acc5" in result) == (num_classes > 5)
    if num_classes > 5:
        assert result["acc5"] == pytest.approx(among_five / count, abs=1e-6)


def test_a_second_test_forgets_the_first(make_trainer):
    classifier = ImageClassifier(linear(6), 6, sgd)
    make_trainer().test(classifier, batches(20, 6, 8), verbose=False)
    make_trainer().test(classifier, batches(13, 6, 8, seed=1), verbose=False)
    alone = ImageClassifier(linear(6), 6, sgd)
    make_trainer().test(alone, batches(13, 6, 8, seed=1), verbose=False)
    assert classifier.test_result == alone.test_result
    assert classifier.test_result["images"] == 13


def test_a_test_result_is_plain_values_that_json_can_hold(make_trainer):
    import json

    classifier = ImageClassifier(linear(6), 6, sgd)
    make_trainer().test(classifier, batches(7, 6, 4), verbose=False)
    assert json.loads(json.dumps(classifier.test_result)) == classifier.test_result


def test_training_and_validation_measures_are_those_of_all_images(make_trainer):
    network = linear(6)
    classifier = ImageClassifier(network, 6, lambda parameters: torch.optim.SGD(parameters, lr=0.0))
    train, val = batches(21, 6, 8), batches(13, 6, 8, seed=1)
    trainer = make_trainer(max_epochs=1)
    trainer.fit(classifier, train, val)
    for stage, loader, count in (("train", train, 21), ("val", val, 13)):
        images, labels = (torch.cat([batch[name] for batch in loader]) for name in ("image", "label"))
        logits = network(images).detach()
        accuracy = float((logits.argmax(1) == labels).sum()) / count
        assert float(trainer.callback_metrics[f"{stage}/acc"]) == pytest.approx(accuracy, abs=1e-6)
        loss = float(F.cross_entropy(logits, labels))
        assert float(trainer.callback_metrics[f"{stage}/loss"]) == pytest.approx(loss, abs=1e-5)
    assert "val/acc5" in trainer.callback_metrics


def test_prediction_returns_the_logits(make_trainer):
    classifier, loader = ImageClassifier(linear(6), 6, sgd), batches(9, 6, 4)
    predicted = torch.cat(make_trainer().predict(classifier, loader))
    images = torch.cat([batch["image"] for batch in loader])
    assert torch.allclose(predicted, classifier.network(images), atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_label_smoothing_is_of_the_training_loss_alone(make_trainer, smoothing):
    network = linear(6)
    still = {"optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.0)}
    classifier = ImageClassifier(network, 6, **still, label_smoothing=smoothing)
    loader, trainer = batches(8, 6, 8), make_trainer(max_epochs=1)
    trainer.fit(classifier, loader, loader)
    seen = {name: float(value) for name, value in trainer.callback_metrics.items()}
    trainer.test(classifier, loader, verbose=False)

    batch = next(iter(loader))
    logs = network(batch["image"]).detach().log_softmax(1)
    hard = -logs[torch.arange(8), batch["label"]].mean()
    smooth = (1 - smoothing) * hard - smoothing * logs.mean()
    assert seen["train/loss"] == pytest.approx(float(smooth), abs=1e-5)
    assert seen["val/loss"] == pytest.approx(float(hard), abs=1e-5)
    assert classifier.test_result["loss"] == pytest.approx(float(hard), abs=1e-5)


def test_a_mixture_costs_what_its_two_images_cost_by_their_shares():
    network, batch = linear(6), next(iter(batches(8, 6, 8)))
    classifier = ImageClassifier(network, 6, sgd, mixup=0.7)
    classifier.log_dict = lambda *_, **__: None
    torch.manual_seed(3)
    loss = classifier.training_step(batch, 0)
    torch.manual_seed(3)
    torch.multinomial(torch.ones(1), 1)  # which of the mixtures, where there is but one
    share = torch.distributions.Beta(torch.tensor([0.7]), torch.tensor([0.7])).sample()
    other = batch["image"].roll(1, 0)
    logits = network(share * batch["image"] + (1 - share) * other)
    costs = [F.cross_entropy(logits, label) for label in (batch["label"], batch["label"].roll(1))]
    assert 0 < float(share) < 1
    assert loss.item() == pytest.approx(float(share * costs[0] + (1 - share) * costs[1]), abs=1e-5)


def test_cutmix_puts_a_box_of_another_image_into_each_and_weighs_labels_by_area():
    image, label = noise(8, 3, 16, 16), torch.arange(8)
    torch.manual_seed(0)
    for _ in range(20):
        mixed, shares = ImageClassifier(linear(8), 8, sgd, cutmix=1.0).mixing(image, label)
        kept, changed = (mixed == image).all(1), (mixed == image.roll(1, 0)).all(1)
        assert (kept | changed).all()
        assert torch.allclose(shares[label, label], kept.float().mean((1, 2)), atol=1e-6)
        assert torch.allclose(shares.sum(1), torch.ones(8))


# Learning rate


class Rates(Callback):
    """Note the learning rate of every optimiser step."""

    def __init__(self):
        self.rates = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.rates.append(optimizer.param_groups[0]["lr"])


def rates_of(make_trainer, schedule, warmup, accumulate=1, **length):
    def optimizer(parameters):
        return torch.optim.SGD(parameters, lr=2.0)

    classifier = ImageClassifier(linear(3), 3, optimizer, schedule=schedule, warmup_steps=warmup)
    rates, loader = Rates(), batches(8 * accumulate, 3, 2)  # 4 steps an epoch
    trainer = make_trainer(callbacks=[rates], accumulate_grad_batches=accumulate, **length)
    trainer.fit(classifier, loader)
    return rates.rates, trainer.optimizers[0].param_groups[0]["lr"]


@pytest.mark.parametrize(
    ("warmup", "length", "accumulate"),
    [(0, {"max_epochs": 5}, 1), (1, {"max_epochs": 5}, 3), (6, {"max_steps": 20, "max_epochs": -1}, 1)],
)
def test_the_learning_rate_rises_linearly_and_falls_as_a_cosine_to_zero(make_trainer, warmup, length, accumulate):
    rates, last = rates_of(make_trainer, "cosine", warmup, accumulate, **length)
    rise = [2.0 * (step + 1) / (warmup + 1) for step in range(warmup)]
    fall = [1.0 + math.cos(math.pi * step / (20 - warmup)) for step in range(20 - warmup)]
    assert rates == pytest.approx(rise + fall, abs=1e-9)
    assert max(rates) == rates[warmup] == 2.0
    assert min(rates) > 0
    assert last == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("warmup", [0, 6])
def test_a_constant_learning_rate_stays_after_warm_up(make_trainer, warmup):
    rates, last = rates_of(make_trainer, "constant", warmup, max_epochs=5)
    assert rates == pytest.approx([2.0 * (step + 1) / (warmup + 1) for step in range(warmup)] + [2.0] * (20 - warmup))
    assert last == 2.0


def test_a_training_that_is_all_warm_up_does_not_divide_by_zero(make_trainer):
    rates, _ = rates_of(make_trainer, "cosine", 30, max_epochs=5)
    assert rates == pytest.approx([2.0 * (step + 1) / 31 for step in range(20)])


# Compilation


def test_compilation_is_in_place_once_and_changes_no_name(make_trainer, monkeypatch):
    network, calls = linear(3), []
    monkeypatch.setattr(network, "compile", lambda *args, **kwargs: calls.append(args))
    classifier = ImageClassifier(network, 3, sgd, compile=True)
    names, loader = list(classifier.state_dict()), batches(8, 3, 4)
    assert calls == []
    make_trainer(max_epochs=1).fit(classifier, loader)
    make_trainer().test(classifier, loader, verbose=False)
    assert len(calls) == 1
    assert classifier.network is network
    assert list(classifier.state_dict()) == names == ["network.1.weight", "network.1.bias"]


def test_nothing_is_compiled_unless_asked_for(make_trainer, monkeypatch):
    network, calls = linear(3), []
    monkeypatch.setattr(network, "compile", lambda *args, **kwargs: calls.append(args))
    make_trainer(max_epochs=1).fit(ImageClassifier(network, 3, sgd), batches(8, 3, 4))
    assert calls == []


# What a checkpoint holds


def tensors_in(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors_in(part)
    elif isinstance(value, list | tuple | set):
        for part in value:
            yield from tensors_in(part)


@pytest.mark.parametrize("key_scope", ["shared", "per_image"])
@pytest.mark.parametrize("scheme", [Proposed(block_size=4), LE(block_size=4)], ids=lambda scheme: scheme.name)
def test_a_checkpoint_holds_the_network_and_nothing_of_key_or_cipher(tmp_path, make_trainer, scheme, key_scope):
    key, shape, index = Key.generate(), (3, 16, 16), torch.arange(12)
    encryption = ImageEncryption(scheme, key, shape, key_scope)
    images = (noise(12, 3, 8, 8) * 40 + 128).clamp(0, 255).to(torch.uint8)
    dataset = ArrayDataset(images, index % 3, index)
    data = ImageDataModule(Splits(dataset, dataset, ["a", "b", "c"]), 16, encryption, batch_size=4)
    network = ResNet18(3, width=2)
    trainer = make_trainer(max_epochs=1)
    trainer.fit(ImageClassifier(network, 3, sgd), datamodule=data)
    trainer.save_checkpoint(tmp_path / "x.ckpt")

    checkpoint = torch.load(tmp_path / "x.ckpt", weights_only=True)
    assert checkpoint["state_dict"].keys() == {f"network.{name}" for name in network.state_dict()}
    kept = {tuple(tensor.flatten().tolist()) for tensor in tensors_in(checkpoint)}
    raw = (tmp_path / "x.ckpt").read_bytes()
    keys = [key] if key_scope == "shared" else [key, *(key.for_image(i) for i in index.tolist())]
    for owner in keys:
        subkeys = scheme.subkeys(owner, shape)
        cipher = scheme.cipher(subkeys, shape)
        for secret in [*subkeys.values(), cipher.index, cipher.inverse().index]:
            assert tuple(secret.flatten().tolist()) not in kept
            assert secret.numpy().tobytes() not in raw
        assert owner._secret not in raw
        assert owner._secret.hex().encode() not in raw


# Ciphertexts of another shape


@pytest.mark.parametrize("model", ["vit_micro", "resnet18", "convmixer"])
def test_networks_of_the_configurations_train_on_gray_images_three_times_as_wide_as_high(model):
    node = composed("encryption=grayscale_etc", f"model={model}")["model"]
    if model == "resnet18":
        node["network"]["width"] = 16
    torch.manual_seed(0)
    shape, scheme = (3, 32, 32), GrayscaleEtC()
    network = build_network(node, 32, 10, shape=scheme.output_shape(shape))
    image = torch.arange(2 * 3072).mul(7).remainder(251).to(torch.uint8).view(2, *shape)
    seen = normalise(ImageEncryption(scheme, Key.test("test-0"), shape)(image), torch.float32)
    optimizer, losses = torch.optim.AdamW(network.parameters(), lr=1e-3), []
    for _ in range(4):
        losses.append(F.cross_entropy(network(seen), torch.tensor([3, 8])))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]
