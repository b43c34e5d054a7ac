"""Pretrained weights: finding them, loading them, and refusing to go on with a network that is still random.

timm loads with `strict=False` and a warning, so a file of another layout can leave a network random without an error.
Here every parameter but those of the classifier must come from the file.
"""

import copy
import os
import re
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitcrypt.jobs.atomic import sha256
from vitcrypt.jobs.place import expanded
from vitcrypt.models.patch_embedding import kind_of, kind_of_weight, widen
from vitcrypt.models.weight_files import check_file, check_finite, common_prefix, read_state

CONNECT_SECONDS = 4
CLASSIFIERS = ("head", "fc", "classifier", "head.fc")
PATCHES = "patch_embed.proj.weight"
GOOGLE_APART = re.compile(r"(^|/)(head|pre_logits|pos_embedding|posembed_input)(/|$)|^opt/state")
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
        ValueError: It cannot be read, is of another architecture, or holds NaN. The network stays as it was.
    """
    path = expanded(path)
    if not path.exists():
        raise FileNotFoundError(f"model.weights={path} does not exist")
    state = None if path.suffix == ".npz" else read_state(path)
    loaded: Any = copy.deepcopy(network)
    if kind_of(network) != "shared" and (state is None or (PATCHES in state and state[PATCHES].dim() == 4)):
        own = loaded.patch_embed.proj
        size, bias = own.patch_size, own.bias is not None
        loaded.patch_embed.proj = nn.Conv2d(own.in_channels, own.out_channels, size, size, bias=bias)
    if state is None:
        _load_npz(loaded, path)
    else:
        _load_state(loaded, state, path)
    check_finite(loaded.state_dict(), path)
    widen(loaded, kind_of(network))
    network.load_state_dict(loaded.state_dict())
    return sha256(path)


def zero_classifier(network: nn.Module) -> None:
    """Let the classifier of a network begin at zero, so that at first all classes are equally likely.

    Raises:
        ValueError: It has no linear classifier under a name that is known.
    """
    modules = dict(network.named_modules())
    found = [modules.get(name.removesuffix(".")) for name in _classifiers(network)]
    layers = [layer for layer in found if isinstance(layer, nn.Linear)]
    if not layers:
        raise ValueError(f"model.zero_head=true: {type(network).__name__} has no linear classifier; set it to false")
    with torch.no_grad():
        for parameter in (parameter for layer in layers for parameter in layer.parameters()):
            parameter.zero_()


def classes_in(path: str | Path) -> int:
    """Return the number of classes of the classifier in a weight file; 0 if it has none."""
    path = expanded(path)
    if path.suffix != ".npz":
        state = read_state(path) if path.exists() else {}
        return next((len(state[f"{name}.bias"]) for name in CLASSIFIERS if f"{name}.bias" in state), 0)
    with np.load(path, allow_pickle=False) as arrays:
        return next((len(arrays[name]) for name in arrays.files if name.endswith("head/bias")), 0)


def fetch_pretrained(model_name: str) -> Path:
    """Return the local file of timm's pretrained weights, from the Hugging Face cache or, failing that, the hub.

    Raises:
        FileNotFoundError: They are not here and cannot be fetched; the message names each way to provide them.
    """
    import timm
    from huggingface_hub import constants, get_session, hf_hub_download, try_to_load_from_cache

    config = timm.get_pretrained_cfg(model_name) if timm.is_model(model_name.split(".")[0]) else None
    if config is None or not config.hf_hub_id:
        raise FileNotFoundError(f"timm has no pretrained weights for {model_name}; set model.pretrained=false")
    repository = config.hf_hub_id if not config.hf_hub_id.endswith("/") else config.hf_hub_id + model_name
    filename = config.hf_hub_filename or "model.safetensors"
    if isinstance(cached := try_to_load_from_cache(repository, filename), str):
        return Path(cached)
    try:
        get_session().head(constants.ENDPOINT, timeout=CONNECT_SECONDS)  # the download would try for a minute
        return Path(hf_hub_download(repository, filename))
    except Exception as error:  # the hub's client raises a dozen kinds
        reason = (str(error) or type(error).__name__).splitlines()[0]
    home = os.environ.get("HF_HOME", "~/.cache/huggingface")
    google = "    - Google's ViT-B_16.npz (ImageNet-21k): model.weights=ViT-B_16.npz\n"
    raise FileNotFoundError(
        f"the pretrained weights {repository} are not in the Hugging Face cache ({home}) and could not be fetched:\n"
        f"    {constants.ENDPOINT}: {reason}\n"
        "  Provide them in one of these ways:\n"
        f"    - on a machine with internet: hf download {repository} {filename}, then here model.weights=FILE\n"
        "    - copy that machine's Hugging Face cache and set HF_HOME\n"
        f"{google if model_name.startswith('vit_base_patch16') else ''}"
        "    - train from scratch: model.pretrained=false"
    )


def _load_state(network: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn

    own, name = network.state_dict(), type(network).__name__
    state = {common_prefix(own) + name: value for name, value in state.items()}
    theirs, ours = (tensors.get(PATCHES, torch.empty(0)) for tensors in (state, own))
    if isinstance(network, VisionTransformer) and ours.dim() == 4 and theirs.shape == ours.shape:
        _check_positions(network, state, path)
        state = checkpoint_filter_fn(state, network)  # interpolates the position embedding, but never the patches
    # what may be missing: the classifier, and how many batches a batch normalisation has seen
    free = {name for name in own if name.startswith(_classifiers(network)) or name.endswith(".num_batches_tracked")}
    state = {
        name: value
        for name, value in state.items()
        if not (name in free and own[name].shape != value.shape) and not name.startswith("pre_logits.")
    }
    missing = sorted(own.keys() - state.keys() - free)
    unknown = sorted(name for name in state.keys() - own.keys() if not name.startswith(("head.", "head_dist.")))
    shapes = sorted(name for name in own.keys() & state.keys() if own[name].shape != state[name].shape)
    if not (missing or unknown or shapes):
        network.load_state_dict({name: value for name, value in state.items() if name in own}, strict=False)
        return
    other = next((whose for part, whose in OTHERS.items() if any(part in name for name in state)), None)
    if other and isinstance(network, VisionTransformer):
        raise ValueError(
            f"model.weights={path} has the names that {other} gives to a ViT's tensors; give the same weights as "
            "timm has them (for example hf download timm/vit_base_patch16_224.orig_in21k model.safetensors)"
        )
    details = [("lacks", missing), ("has unknown", unknown), ("has other shapes for", shapes)]
    differs = "; ".join(f"it {verb} {len(names)} ({', '.join(names[:3])}, ...)" for verb, names in details if names)
    hint = ""
    if isinstance(network, VisionTransformer) and theirs.dim() == 3:
        kind = kind_of_weight(theirs, network.in_chans, network.patch_embed.patch_size[0])
        hint = f". Its patch embedding is {kind}: set model.patch_embedding={kind}" * (kind != kind_of(network))
    raise ValueError(
        f"model.weights={path} is of another architecture than {name}: {differs}. "
        f"Nothing was loaded: the network would have stayed random where the file does not fit{hint}"
    )


def _classifiers(network: nn.Module) -> tuple[str, ...]:
    """Return what the names of the classifier's tensors begin with."""
    names = getattr(network, "pretrained_cfg", {}).get("classifier") or CLASSIFIERS[:3]
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


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
    check_file(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            theirs = sum(arrays[name].size for name in arrays.files if not GOOGLE_APART.search(name))
        if theirs != values:  # timm would read the blocks that it finds and ignore others
            raise ValueError(f"it has {theirs:,} values where the network has {values:,}")
        load(str(path))
    except Exception as error:
        raise ValueError(f"model.weights={path} is damaged or of another architecture: {error}") from error
