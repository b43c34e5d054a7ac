"""From the description of a network to the network: a fixed table, and nothing that reads files or asks the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vitcrypt.encryption import Shape
from vitcrypt.models.adaptation import adapted
from vitcrypt.models.patch_embedding import widen
from vitcrypt.targets import builder
from vitcrypt.untrusted.network import ModelValues
from vitcrypt.untrusted.text import one_line, printable

State = dict[str, tuple[torch.Size, torch.dtype]]


def build_network(
    model: Mapping[str, Any],
    image_size: int,
    num_classes: int,
    own: Sequence[str] = (),
    shape: Shape | None = None,
) -> nn.Module:
    """Build the network of a `model` configuration, its weights random: float [B, 3, S, S] -> logits [B, num_classes].

    Args:
        model: The group `model`, resolved, as plain values.
        image_size: S.
        num_classes: Number of classes.
        own: The user's own modules (allow_targets).
        shape: (C, H, W) of ciphertexts where they are no images of that size; the network then takes these.

    Raises:
        ValueError: A target or argument is not allowed, or timm has no such architecture.
    """
    image = (3, image_size, image_size)
    make = partial(_maker(model["network"], image, shape or image, own), num_classes=num_classes)
    network = adapted(make, model["adaptation"], image_size, model["block_size"])
    widen(network, model.get("patch_embedding", "shared"))  # descriptions from before there was a choice
    return network


def _maker(node: dict[str, Any], image: Shape, shape: Shape, own: Sequence[str]) -> Callable[..., nn.Module]:
    """Return what makes a network; of timm's, those of one image size alone are made for this one.

    Where ciphertexts are of another shape than the image, the network takes these, whatever its node says.
    """
    import timm

    make = builder("model.network", node, own)
    channels, height, width = shape
    if channels != 3 and "in_chans" not in make.keywords:
        make = partial(make, in_chans=channels)
    if make.func is not timm.create_model:
        return make
    name, values = make.keywords["model_name"], make.keywords
    architecture, _, tag = name.partition(".")
    known = timm.list_pretrained(f"{architecture}.*") if timm.is_model(architecture) else timm.list_models()
    if not timm.is_model(architecture) or (tag and name not in known):
        near = [entry for entry in known if entry.startswith(name)][:3] or get_close_matches(name, known)
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() in Python has their names"
        raise ValueError(f"model.network.model_name={name}: timm has no such architecture; {hint}")
    config = timm.get_pretrained_cfg(name)
    said = (values.get("img_size") and shape == image) or values.get("dynamic_img_size")
    if config and config.fixed_input_size and not said:
        values = {**values, "img_size": height if height == width else (height, width)}
    return partial(timm.create_model, **values, pretrained=False)


def network_of(model: ModelValues, image_size: int, num_classes: int, shape: Shape | None = None) -> nn.Module:
    """Build the network of a description that may come from anyone; otherwise as `build_network`.

    Raises:
        ValueError: The values do not fit together.
    """
    try:
        node = model.model_dump(by_alias=True, exclude_unset=True)
        return build_network(node, image_size, num_classes, shape=shape)
    except Exception as error:  # the constructors of hundreds of architectures raise anything
        raise ValueError(
            f"no {model.network.target} can be built from these values: {one_line(error) or type(error).__name__}"
        ) from error


def state_of(model: ModelValues, image_size: int, num_classes: int, shape: Shape | None = None) -> State:
    """Return shape and type of every tensor of a network without taking memory for any of them."""
    with torch.device("meta"):
        network = network_of(model, image_size, num_classes, shape)
    return {name: (value.shape, value.dtype) for name, value in network.state_dict().items()}


def read_exactly(path: Path, expected: State) -> dict[str, Tensor]:
    """Read a .safetensors file, which may come from anyone and must hold the tensors of one network.

    Raises:
        ValueError: It is damaged, or holds others.
    """
    try:
        state: dict[str, Tensor] = load_file(path)
    except Exception as error:  # a damaged file can make the reader raise anything
        raise ValueError(f"{path} is damaged: {one_line(error)}") from error
    check_state(state, expected, path)
    return state


def check_state(state: dict[str, Tensor], expected: State, path: Path) -> None:
    """Raise ValueError unless tensors are those of a network by name and shape, dense, of its numbers, and finite."""
    odd = {name for name, value in state.items() if name not in expected or value.shape != expected[name][0]}
    if differing := sorted(odd | (expected.keys() - state.keys())):
        names = ", ".join(printable(name, 100) for name in differing[:3])
        raise ValueError(f"{path} holds the weights of another network: {len(differing)} tensors differ ({names})")
    for name, value in state.items():
        if value.layout != torch.strided or value.is_floating_point() != expected[name][1].is_floating_point:
            raise ValueError(f"{path}: {name} is {value.dtype}, and the network has {expected[name][1]}")
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(f"{path}: {name} holds values that are not finite")
