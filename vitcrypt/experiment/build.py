"""From a configuration to its network."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from vitcrypt.models.networks import assemble
from vitcrypt.targets import builder


def build_network(model: dict[str, Any], image_size: int, num_classes: int, own: Sequence[str] = ()) -> nn.Module:
    """Build the network of a `model` configuration, its weights random: float [B, 3, S, S] -> logits [B, num_classes].

    Args:
        model: The group `model`, resolved, as plain values.
        image_size: S.
        num_classes: Number of classes.
        own: The user's own modules (allow_targets).
    """
    make = builder("model.network", model["network"], own)
    embedding = model.get("patch_embedding", "shared")  # descriptions of networks from before do not say it
    return assemble(make, image_size, num_classes, model["adaptation"], model["block_size"], embedding)
