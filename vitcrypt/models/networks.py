"""From the description of a network to the network: a fixed table, and nothing that reads files or asks the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vitcrypt.models.adaptation import Adaptation, adapted
from vitcrypt.models.patch_embedding import PatchEmbedding, widen
from vitcrypt.models.resnet import ResNet18
from vitcrypt.models.shakedrop import PyramidNet
from vitcrypt.untrusted.network import ModelValues, NetworkValues, PyramidNetwork, TimmNetwork
from vitcrypt.untrusted.text import one_line, printable

State = dict[str, tuple[torch.Size, torch.dtype]]


def network_maker(network: NetworkValues) -> Callable[..., nn.Module]:
    """Return what makes a network; it takes num_classes and, behind an adaptation network, in_chans.

    Raises:
        ValueError: timm has no architecture of that name.
    """
    if isinstance(network, TimmNetwork):
        import timm

        if not timm.is_model(network.model_name.split(".")[0]):
            raise ValueError(
                f"timm has no {network.model_name}; its names: python -c 'import timm; timm.list_models()'"
            )
        return partial(timm.create_model, **network.values(), pretrained=False)
    return partial(PyramidNet if isinstance(network, PyramidNetwork) else ResNet18, **network.values())


def assemble(
    make: Callable[..., nn.Module],
    image_size: int,
    num_classes: int,
    adaptation: Adaptation = "none",
    block_size: int = 4,
    patch_embedding: PatchEmbedding = "shared",
) -> nn.Module:
    """Build a network, its weights random: float [B, 3, S, S] -> logits [B, num_classes].

    Args:
        make: Makes the network behind the adaptation network, if there is one.
        image_size: S.
        num_classes: Number of classes.
        adaptation: What stands in front.
        block_size: Of the encryption.
        patch_embedding: What a ViT's first layer is.
    """
    network = adapted(partial(make, num_classes=num_classes), adaptation, image_size, block_size)
    widen(network, patch_embedding)
    return network


def network_of(model: ModelValues, image_size: int, num_classes: int) -> nn.Module:
    """Build the network of a description; arguments and result as of `assemble`.

    Raises:
        ValueError: The values do not fit together.
    """
    make = network_maker(model.network)
    try:
        return assemble(make, image_size, num_classes, model.adaptation, model.block_size, model.patch_embedding)
    except Exception as error:  # the constructors of hundreds of architectures raise anything
        raise ValueError(
            f"no {model.network.target} can be built from these values: {one_line(error) or type(error).__name__}"
        ) from error


def state_of(model: ModelValues, image_size: int, num_classes: int) -> State:
    """Return shape and type of every tensor of a network without taking memory for any of them."""
    with torch.device("meta"):
        network = network_of(model, image_size, num_classes)
    return {name: (value.shape, value.dtype) for name, value in network.state_dict().items()}


def read_exactly(path: Path, expected: State) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors file that must be those of one network.

    Args:
        path: The file. It may come from anyone.
        expected: What `state_of` returned for the network.

    Raises:
        ValueError: It is damaged, or holds others; then no tensor was read.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            check_shapes({name: file.get_slice(name).get_shape() for name in file.keys()}, expected, path)  # noqa: SIM118
            state = {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, OSError, RuntimeError, KeyError, MemoryError) as error:
        raise ValueError(f"{path} is damaged: {one_line(error)}") from error
    check_values(state, expected, path)
    return state


def check_shapes(found: Mapping[str, Sequence[int]], expected: State, path: Path) -> None:
    """Raise ValueError unless names and shapes of tensors are those of the network."""
    odd = {name for name, shape in found.items() if name not in expected or tuple(shape) != tuple(expected[name][0])}
    if told := sorted(odd | (expected.keys() - found.keys())):
        names = ", ".join(printable(name, 100) for name in told[:3])
        raise ValueError(f"{path} holds the weights of another network: {len(told)} tensors differ ({names})")


def check_values(state: dict[str, Tensor], expected: State, path: Path) -> None:
    """Raise ValueError unless tensors are dense, of the network's kind of number, and finite."""
    for name, value in state.items():
        if value.layout != torch.strided or value.is_floating_point() != expected[name][1].is_floating_point:
            raise ValueError(
                f"{path}: {printable(name, 100)} is {value.dtype}, and the network has {expected[name][1]}"
            )
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(f"{path}: {printable(name, 100)} holds values that are not finite")
