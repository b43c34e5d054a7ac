"""From nodes of a configuration to the objects that they describe."""

from typing import Any

from hydra.utils import instantiate
from torch import nn

from vitcrypt.models import adapted, widen


def build(node: dict[str, Any], **arguments: Any) -> Any:
    """Call the target of a configuration node. Its errors come as they are; `instantiate` alone would wrap them."""
    return instantiate(node, _partial_=True)(**arguments)


def build_network(model: dict[str, Any], image_size: int, num_classes: int) -> nn.Module:
    """Build the network of a `model` configuration, its weights random: float [B, 3, S, S] -> logits [B, num_classes].

    Args:
        model: The group `model`, resolved, as plain values.
        image_size: S.
        num_classes: Number of classes.
    """
    make = instantiate(model["network"], num_classes=num_classes, _partial_=True)
    network = adapted(make, model["adaptation"], image_size, model["block_size"])
    widen(network, model.get("patch_embedding", "shared"))  # descriptions of networks from before do not say it
    return network
