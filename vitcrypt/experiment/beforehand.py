"""What is asked before a training begins, and would fail in the middle of it."""

import copy

import torch
from torch import nn

from vitcrypt.encryption import Shape
from vitcrypt.experiment.blame import reason
from vitcrypt.experiment.config import Config
from vitcrypt.experiment.devices import uses_cuda
from vitcrypt.experiment.plan import Plan
from vitcrypt.models import ImageClassifier


def check_compiler(config: Config) -> None:
    """Raise ValueError if something is to be compiled and nothing can be, here."""
    asked = [f"{part}.compile" for part, node in (("model", config.model), ("data", config.data)) if node.compile]
    if not asked:
        return
    try:
        torch.compile(torch.sin)(torch.ones(1, device="cuda" if uses_cuda(config.trainer) else "cpu"))
    except Exception as error:  # a compiler can fail in any way
        raise ValueError(
            f"{asked[0]}=true needs a compiler that works, and here: {reason(error)}; "
            f"set {' '.join(f'{option}=false' for option in asked)}"
        ) from error


def check_clipping(config: Config) -> None:
    """Raise ValueError if gradients are to be clipped that the optimiser itself unscales."""
    half = config.trainer.precision in ("16", "16-mixed")
    if half and config.trainer.gradient_clip_val and config.model.optimizer.get("fused"):
        raise ValueError(
            "model.optimizer.fused=true cannot clip gradients under trainer.precision=16-mixed; take it out with "
            "'~model.optimizer.fused' (optimisers are fused where they can be)"
        )


def check_optimizer(classifier: ImageClassifier) -> None:
    """Build the optimiser and take a step with one like it: many arguments are looked at only then."""
    classifier.built_optimizer(classifier.parameters())
    weight = nn.Parameter(torch.zeros(2, 2))
    weight.grad = torch.zeros(2, 2)
    classifier.built_optimizer([weight]).step()


def check_network(network: nn.Module, shape: Shape, num_classes: int, plan: Plan, config: Config) -> None:
    """Pass an image through a copy of the network: as in a test, and as in training if a batch of one comes up there.

    Raises:
        ValueError: It takes other images, gives other logits, or normalises over a batch, which takes two images.
    """
    trial, image = copy.deepcopy(network).cpu(), torch.zeros(1, *shape)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            given = list(trial.eval()(image).shape)
        except Exception as error:  # a network can fail in any way
            sizes = " x ".join(map(str, shape))
            raise ValueError(f"model.network takes no images of {sizes}: {reason(error)}") from error
        if given != [1, num_classes]:
            raise ValueError(f"model.network gives {given} for an image, and not [1, {num_classes}], a logit a class")
        _check_patches(network, config.model.patch_size)
        common = plan.division.world_size > 1 and config.trainer.sync_batchnorm  # then others have an image
        if common or plan.division.smallest(plan.sizes) > 1:
            return
        try:
            trial.train()(image)
        except ValueError as error:
            raise ValueError(_single_image(plan, config)) from error


def _check_patches(network: nn.Module, size: int | None) -> None:
    """Raise ValueError if a ViT cuts images into other patches than the configuration says and fits blocks to."""
    found = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    if size and found is not None and found not in (size, (size, size)):
        side = found[0] if isinstance(found, tuple) else found
        raise ValueError(
            f"model.patch_size={size}, and model.network cuts patches of {side}; set model.patch_size={side}"
        )


def _single_image(plan: Plan, config: Config) -> str:
    division, other = plan.division, next(plan.without_single_images(), None)
    advice = f"set data.batch_size={other.batch_size}" if other else "take more training images"
    if other and other.micro_batch_size != division.micro_batch_size:
        advice += f" data.micro_batch_size={other.micro_batch_size or 'null'}"
    micro = f" and data.micro_batch_size={division.micro_batch_size}" if division.micro_batch_size else ""
    devices = f" on {division.world_size} devices" if division.world_size > 1 else ""
    return (
        f"{plan.images} training images in steps of data.batch_size={division.batch_size}{micro}{devices} leave a "
        f"batch of one image, and the batch normalisation of {config.names.model} needs two; {advice}"
    )
