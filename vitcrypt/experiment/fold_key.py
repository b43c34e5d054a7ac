"""Pretrained weights that carry a key: the owner's step before training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from vitcrypt.encryption import Scheme
from vitcrypt.experiment.composition import composed
from vitcrypt.experiment.config import Config
from vitcrypt.experiment.job import configured
from vitcrypt.jobs.atomic import write_new

if TYPE_CHECKING:
    from vitcrypt.keys import Key


def fold_weights(
    weights: Path, out: Path, key: Key, encryption: str, model: str, overrides: list[str]
) -> dict[str, str]:
    """Write a weight file that carries a key: pretrained weights, folded with the cipher of that key.

    Args:
        weights: What `model.weights` takes: a weight file of the network, or a checkpoint of a run.
        out: A new `.safetensors` file.
        key: The owner's key.
        encryption: Option of that group.
        model: Option of that group; a ViT.
        overrides: Further ones, as for `vitcrypt run`.

    Returns:
        What the provider says of the network: names of overrides and their values.

    Raises:
        FileExistsError: `out` exists. It is left as it is.
        ValueError: The weights do not fit, or the network cannot carry such a key.
    """
    from safetensors.torch import save

    from vitcrypt.models import classes_in, fold_key, kind_of, load_weights
    from vitcrypt.models.networks import build_network

    if out.suffix != ".safetensors":
        raise ValueError(f"{out}: the adapted weights are written as .safetensors; name the file so")
    config, scheme = _configuration(weights, encryption, model, overrides)
    assert scheme is not None  # without one no key could be folded, which was refused
    size = config.data.image_size
    network = build_network(asdict(config.model), size, classes_in(weights), config.allow_targets)
    load_weights(network, weights)
    shape = (3, size, size)
    folded = fold_key(network, scheme.cipher(scheme.subkeys(key, shape), shape))
    state = {name: value.contiguous() for name, value in folded.state_dict().items()}
    write_new(out, save(state, metadata={"format": "pt"}))
    said = {"model.weights": str(out), "model.patch_embedding": kind_of(folded)}
    return {name: value for name, value in said.items() if value != "shared"}


def _configuration(weights: Path, encryption: str, model: str, overrides: list[str]) -> tuple[Config, Scheme | None]:
    chosen = {"data": "cifar10", "encryption": encryption, "model": model, "logger": "csv"}  # of data, the size alone
    said = [f"{group}={option}" for group, option in chosen.items()]
    said += [f"names.{group}={option}" for group, option in chosen.items() if group != "logger"]
    values: Any = OmegaConf.to_container(composed("config", [*said, *overrides]), resolve=True, throw_on_missing=True)
    values["model"] |= {"weights": str(weights), "fold_key": True}
    return configured(Config, values)
