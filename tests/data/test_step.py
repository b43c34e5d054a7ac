"""A step of the optimiser is its images, however micro batches and devices divide it: the same weights come out."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from batches import arrays, encrypting, module_of
from program import SMALL, finish, results
from torch import nn

from vitcrypt.data import TEST_INDEX, Splits
from vitcrypt.models import ImageClassifier

OPTIMISERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=5e-4),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.05),
}


class Sparing(nn.Module):
    """A network with a penalty: a part for each image, and a part of the weights alone."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(3 * 16 * 16, 12), nn.Linear(12, 7)

    def forward(self, x):
        hidden = F.gelu(self.first(x.flatten(1)))
        self.kept = 0.1 * hidden.square().mean() + 1e-3 * self.last.weight.abs().sum()
        return self.last(hidden)

    def penalty(self):
        return self.kept if self.training else None


def network():
    torch.manual_seed(0)
    return Sparing()


def of(images):
    return Splits(arrays(images), arrays(4, TEST_INDEX), [str(i) for i in range(7)], val=arrays(9, TEST_INDEX // 2))


def trained(make_trainer, images, micro, optimizer="sgd", epochs=2, limit=None, **options):
    data = module_of(of(images), encrypting(), batch_size=16, micro_batch_size=micro, crop_padding=1, flip=True)
    parts = data.division(1).accumulation
    module = ImageClassifier(network(), 7, OPTIMISERS[optimizer], **options)
    trainer = make_trainer(
        max_epochs=epochs,
        accumulate_grad_batches=parts,
        gradient_clip_val=0.5,
        limit_train_batches=limit and limit * parts,
    )
    trainer.fit(module, datamodule=data)
    measures = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return torch.cat([p.detach().flatten() for p in module.parameters()]), measures, trainer.global_step


@pytest.mark.parametrize(("images", "micro"), [(4, 1), (8, 3), (16, 7), (20, 16), (33, 3)])
def test_micro_batches_do_not_change_what_is_learnt(make_trainer, images, micro):
    options = {"schedule": "cosine", "warmup_steps": 2, "label_smoothing": 0.1}
    whole, measures, steps = trained(make_trainer, images, None, **options)
    parts, same, counted = trained(make_trainer, images, micro, **options)
    assert torch.allclose(parts, whole, atol=1e-6, rtol=0)
    assert same == pytest.approx(measures, abs=1e-5)
    assert counted == steps == 2 * -(-images // 16)


@pytest.mark.parametrize("micro", [7, 1])
def test_micro_batches_do_not_change_adamw_nor_a_shortened_epoch(make_trainer, micro):
    whole, *_ = trained(make_trainer, 45, None, "adamw", limit=2)
    parts, _, steps = trained(make_trainer, 45, micro, "adamw", limit=2)
    assert steps == 4
    assert torch.allclose(parts, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("images", "micro", "world_size"),
    [(17, None, 4), (17, 1, 2), (19, 3, 4), (19, 3, 1), (29, None, 2), (29, 1, 4), (29, 3, 2)],
)
def test_devices_do_not_change_the_gradient_of_a_step(images, micro, world_size):
    data = module_of(of(images), batch_size=16, micro_batch_size=micro, augment="none")
    parts = data.division(world_size).accumulation
    gradients = [[], []]
    for rank in range(world_size):
        data.trainer = SimpleNamespace(
            world_size=world_size, global_rank=rank, training=True, current_epoch=0, lightning_module=None
        )
        module = ImageClassifier(network(), 7, OPTIMISERS["sgd"])
        module.log_dict = lambda *_, **__: None
        batches = [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]
        for step, found in enumerate(gradients):
            module.zero_grad()
            for i, batch in enumerate(batches[step * parts :][:parts]):
                (module.training_step(batch, i) / parts).backward()  # as Lightning does, and DDP takes the mean
            found.append(torch.cat([p.grad.flatten() for p in module.parameters()]))
    order = torch.randperm(images, generator=torch.Generator().manual_seed(data.train_dataloader().sampler.seed))
    for step, found in enumerate(gradients):
        taken = data.splits.train.batch(order[16 * step :][:16].tolist())
        plain = network()
        logits = plain(data.prepare(taken["image"], taken["index"], training=False))
        (F.cross_entropy(logits, taken["label"]) + plain.penalty()).backward()
        expected = torch.cat([p.grad.flatten() for p in plain.parameters()])
        assert torch.allclose(torch.stack(found).mean(0), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.slow
def test_a_sweep_over_device_counts_gives_the_same_weights_and_counts_every_image_once(tmp_path):
    arguments = [*SMALL, "data.limit_train=38", "data.validation=0.12", "data.limit_test=5", "data.batch_size=16"]
    arguments += ["data.crop_padding=1", "model.warmup_steps=1", "model.label_smoothing=0.1", "encryption=ele"]
    finish("-m", *arguments, "data.micro_batch_size=7", "trainer.devices=1,2", folder=tmp_path)
    one, two = results(tmp_path)
    assert {one["training"]["devices"], two["training"]["devices"]} == {1, 2}
    for result in (one, two):
        assert result["images"]["train"] == 33
        assert result["metrics"]["images"] == 5
        assert [epoch["step"] for epoch in result["training"]["history"]] == [3, 6]
    first, second = (torch.load(path, weights_only=True)["state_dict"] for path in tmp_path.rglob("last.ckpt"))
    for name, value in first.items():
        assert torch.allclose(second[name], value, atol=1e-5, rtol=0), name
    for epoch, other in zip(one["training"]["history"], two["training"]["history"], strict=True):
        for name in ("train/loss", "train/acc", "val/loss", "val/acc"):
            assert epoch[name] == pytest.approx(other[name], abs=1e-5), "every image is counted once"
