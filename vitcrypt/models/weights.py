"""Pretrained weights: finding them, loading them, and refusing to go on with a network that is still random.

timm loads with `strict=False` and a warning, so a file of another layout can leave a network random without an error.
Here every parameter but those of the classifier must come from the file.
"""

import os
import re
import urllib.error
import urllib.request
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitcrypt.jobs.atomic import sha256
from vitcrypt.jobs.place import expanded
from vitcrypt.models.patch_embedding import PatchProjection, kind_of, kind_of_weight, widen
from vitcrypt.models.weight_files import check_file, check_finite, common_prefix, read_state

GOOGLE_APART = re.compile(r"(^|/)(head|pre_logits|pos_embedding|posembed_input)(/|$)|^opt/state")
CONNECT_SECONDS = 4
CLASSIFIERS = ("head", "fc", "classifier")
PATCHES = "patch_embed.proj.weight"
OTHERS = {"embeddings.patch_embeddings.": "Hugging Face transformers", "encoder_layer_0.": "torchvision"}
"""Parts of the names that others give to the tensors of a ViT."""


def load_weights(network: nn.Module, path: str | Path) -> str:
    """Load a local weight file into a network and return the file's SHA-256.

    Reads `.safetensors`, `.pth` / `.pt` / `.bin` / `.ckpt` (see `read_state`) and, for timm's ViT, Google's `.npz`. The
    classifier is left as it is where its size differs; a position embedding of another image size is interpolated. A
    patch embedding that is one for all positions is also loaded into a richer one (`vitcrypt.models.widen`), which
    then computes the same.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, is of another architecture, or holds NaN.
    """
    path = expanded(path)
    if not path.exists():
        raise FileNotFoundError(f"model.weights={path} does not exist")
    state = None if path.suffix == ".npz" else read_state(path)
    kind = kind_of(network)
    if kind != "shared" and (state is None or (PATCHES in state and state[PATCHES].dim() == 4)):
        _load_widened(network, state, path)
    else:
        _load(network, state, path)
    return sha256(path)


def classes_in(path: str | Path) -> int:
    """Return the number of classes of the classifier in a weight file; 0 if it has none."""
    path = expanded(path)
    if path.suffix != ".npz":
        state = read_state(path) if path.exists() else {}
        return next((len(state[f"{name}.bias"]) for name in CLASSIFIERS if f"{name}.bias" in state), 0)
    with np.load(path, allow_pickle=False) as arrays:
        return next((len(arrays[name]) for name in arrays.files if name.endswith("head/bias")), 0)


def _load(network: nn.Module, state: dict[str, Tensor] | None, path: Path) -> None:
    if state is None:
        _load_npz(network, path)
    else:
        _load_state(network, state, path)


def _load_widened(network: Any, state: dict[str, Tensor] | None, path: Path) -> None:
    """Load weights with the usual convolution into a network whose patch embedding is richer."""
    embedding = network.patch_embed
    projection: PatchProjection = embedding.proj
    size, bias = projection.patch_size, projection.bias is not None
    embedding.proj = nn.Conv2d(projection.in_channels, projection.out_channels, size, size, bias=bias)
    try:
        _load(network, state, path)
    except Exception:
        embedding.proj = projection
        raise
    widen(network, projection.kind)


def fetch_pretrained(model_name: str) -> Path:
    """Return the local file of timm's pretrained weights, from the Hugging Face cache or, failing that, the hub.

    Raises:
        FileNotFoundError: They are not here and cannot be fetched; the message says each way to provide them.
    """
    import timm
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    config = timm.get_pretrained_cfg(model_name)
    repository = config.hf_hub_id if config and config.hf_hub_id else None
    if repository is None:
        raise FileNotFoundError(f"timm has no pretrained weights for {model_name}; say model.pretrained=false")
    repository = repository if not repository.endswith("/") else repository + model_name
    filename = "model.safetensors"
    cached = try_to_load_from_cache(repository, filename)
    if isinstance(cached, str):
        return Path(cached)
    reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else _unreachable(constants.ENDPOINT)
    if reason is None:
        try:
            return Path(hf_hub_download(repository, filename))
        except Exception as error:  # the hub's client raises a dozen kinds
            reason = (str(error) or type(error).__name__).splitlines()[0]
    home = os.environ.get("HF_HOME", "~/.cache/huggingface")
    raise FileNotFoundError(
        f"the pretrained weights {repository} are not in the Hugging Face cache ({home}) and could not be fetched:\n"
        f"    {constants.ENDPOINT}: {reason}\n"
        "  Provide them in one of these ways:\n"
        f"    - on a machine with internet: hf download {repository} {filename}, then here model.weights=FILE\n"
        "    - copy that machine's Hugging Face cache and set HF_HOME\n"
        "    - Google's ViT-B_16.npz (ImageNet-21k): model.weights=ViT-B_16.npz\n"
        "    - train from scratch: model.pretrained=false"
    )


def _unreachable(url: str) -> str | None:
    """Return why a server cannot be reached at all, or None; the hub's own client would retry for most of a minute."""
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_SECONDS):
            return None
    except urllib.error.HTTPError:
        return None
    except (urllib.error.URLError, OSError) as error:
        return str(getattr(error, "reason", error))


def _load_state(network: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn

    own = network.state_dict()
    state = {common_prefix(own) + name: value for name, value in state.items()}
    theirs, ours = (tensors.get(PATCHES, torch.empty(0)) for tensors in (state, own))
    if isinstance(network, VisionTransformer) and ours.dim() == 4 and theirs.shape == ours.shape:
        _check_positions(network, state, path)
        state = checkpoint_filter_fn(state, network)  # interpolates the position embedding, but never the patches
    classifier = _classifier(network)
    state = {
        name: value
        for name, value in state.items()
        if not (name in classifier and own[name].shape != value.shape) and not name.startswith("pre_logits.")
    }
    missing = sorted(own.keys() - state.keys() - classifier)
    unknown = sorted(state.keys() - own.keys())
    unknown = [name for name in unknown if not name.startswith(("head.", "head_dist."))]
    shapes = [name for name in sorted(own.keys() & state.keys()) if own[name].shape != state[name].shape]
    if missing or unknown or shapes:
        other = next((whose for part, whose in OTHERS.items() if any(part in name for name in state)), None)
        if other and isinstance(network, VisionTransformer):
            raise ValueError(
                f"model.weights={path} has the names that {other} gives to a ViT's tensors; give the same weights as "
                "timm has them (hf download timm/vit_base_patch16_224.orig_in21k model.safetensors, say)"
            )
        details = [("lacks", missing), ("has unknown", unknown), ("has other shapes for", shapes)]
        said = "; ".join(f"it {verb} {len(names)} ({', '.join(names[:3])}, ...)" for verb, names in details if names)
        hint = ""
        if isinstance(network, VisionTransformer) and theirs.dim() == 3:
            kind = kind_of_weight(theirs, network.in_chans, network.patch_embed.patch_size[0])
            hint = f". Its patch embedding is {kind}: say model.patch_embedding={kind}" * (kind != kind_of(network))
        raise ValueError(
            f"model.weights={path} is of another architecture than {type(network).__name__}: {said}. "
            f"Nothing was loaded: the network would have stayed random where the file does not fit{hint}"
        )
    state = {name: value for name, value in state.items() if name in own}
    check_finite(state, path)
    network.load_state_dict(state, strict=False)


def _check_positions(network: Any, state: dict[str, Tensor], path: Path) -> None:
    """Raise ValueError if a position embedding is not one of a square image with the tokens that stand before it."""
    positions, before = state.get("pos_embed"), 0 if network.no_embed_class else network.num_prefix_tokens
    if positions is None or network.pos_embed is None or positions.shape == network.pos_embed.shape:
        return
    count = positions.shape[1] if positions.dim() == 3 else 0
    if isqrt(max(count - before, 0)) ** 2 != count - before or count == before:
        lacks = "lacks the class token" if before and isqrt(count) ** 2 == count else "is not that of a square image"
        raise ValueError(
            f"model.weights={path} is of another architecture than {type(network).__name__}: its position embedding "
            f"{list(positions.shape)} {lacks}, and the network has {list(network.pos_embed.shape)}"
        )


def _load_npz(network: nn.Module, path: Path) -> None:
    load = getattr(network, "load_pretrained", None)
    if load is None:
        raise ValueError(
            f"model.weights={path}: .npz weights are Google's, for timm's ViT; got {type(network).__name__}"
        )
    apart = ("head", "pos_embed")  # may be of another size
    values = sum(value.numel() for name, value in network.state_dict().items() if not name.startswith(apart))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    check_file(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            theirs = sum(arrays[name].size for name in arrays.files if not GOOGLE_APART.search(name))
        if theirs != values:  # timm would read the blocks that it finds and ignore others
            raise ValueError(f"it has {theirs:,} values where the network has {values:,}")
        load(str(path))
        check_finite(network.state_dict(), path)
    except Exception as error:
        network.load_state_dict(before)
        raise ValueError(f"model.weights={path} is damaged or of another architecture: {error}") from error


def _classifier(network: nn.Module) -> set[str]:
    """Return the names of the classifier's tensors."""
    return {name for name in network.state_dict() if name.split(".")[0] in CLASSIFIERS}
