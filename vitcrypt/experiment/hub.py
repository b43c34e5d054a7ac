"""A trained network as timm and the Hugging Face hub load it: weights, config.json, and a card of what it is."""

from pathlib import Path

from timm.models import save_for_hf

from vitcrypt.jobs.atomic import atomic_folder
from vitcrypt.report.records import TrainingResult
from vitcrypt.service import Bundle
from vitcrypt.untrusted.text import one_line

FILES = ("model.safetensors", "config.json", "README.md")
CARD = """---
library_name: timm
pipeline_tag: image-classification
tags: [image-classification, timm, vitcrypt, encrypted-images]
---

# {name}

A network of timm ({architecture}), trained on images of {size} x {size} pixels under the scheme `{scheme}` and
{key}. Made by vitcrypt {vitcrypt}, run {identity}. It {began}.

```python
import timm

network = timm.create_model("local-dir:FOLDER", pretrained=True)  # or "hf-hub:ACCOUNT/NAME", where it was uploaded
```

Images are scaled to [-1, 1]. {use}

## Results

| images | test accuracy |
| --- | --- |
| {images:,} test images, after the last epoch | {accuracy:.2f} % |
"""
ENCRYPTED = """
## With the key, and without

The network takes ciphertexts, neither cropped nor resized: both destroy them. Encrypt with the key of that fingerprint
first (`vitcrypt encrypt`). **Without that key it is of no use**: what it answers to plain images, or to those under
another key, means nothing. No key is in this folder.

## Threat model

Perceptual encryption hides images from the eye and is no cipher. Labels and predictions are not hidden. Of the schemes
of vitcrypt many fall to whoever holds a few pairs of plain and encrypted images under one key, and some to who holds
ciphertexts alone; which, from how many, and what was measured: docs/threat-model.md of vitcrypt. Weights that were
trained from a public network *into which the key was folded* (`vitcrypt fold`) give that key away to whoever has that
network too: such weights are not to be published.
"""


def check_for_hub(result: TrainingResult, bundle: Bundle) -> None:
    """Raise ValueError where timm alone cannot build the network, or its weights hold the key."""
    model = bundle.described.model
    if model.network.target != "timm.create_model":
        raise ValueError(f"--hub: {model.network.target} is no network of timm (model=timm, vit_b16, vit_micro are)")
    if model.adaptation != "none" or model.patch_embedding not in (None, "shared"):
        raise ValueError(
            f"--hub: timm knows neither model.adaptation={model.adaptation} nor model.patch_embedding="
            f"{model.patch_embedding}; leave --hub out, a bundle holds them"
        )
    if result.config.model.values().get("fold_key"):
        raise ValueError(
            "--hub: these weights hold the key (model.fold_key=true); published, they give it away to whoever has the "
            "network that they began with. Leave --hub out"
        )


def write_for_hub(result: TrainingResult, bundle: Bundle, folder: Path) -> None:
    """Write the folder, whole or not at all. This very one may be there, and stays.

    Raises:
        FileExistsError: Something else is there already.
    """
    described, network, origin = bundle.described, bundle.network(), bundle.origin
    node = described.model.network
    size, began = bundle.image_size, result.weights.pretrained_sha256
    with atomic_folder(folder, FILES, again=True) as partial:
        save_for_hf(
            network,
            str(partial),
            model_config={"label_names": [one_line(name) for name in bundle.classes]},
            model_args={name: value for name, value in node.values().items() if name != "model_name"},
            safe_serialization=True,
            data_config={
                "input_size": (3, size, size),
                "interpolation": bundle.interpolation,
                "mean": (0.5,) * 3,
                "std": (0.5,) * 3,
                "crop_pct": 1.0,
            },
        )
        plain = (bundle.scheme or {}).get("name") == "plain"
        text = CARD.format(
            use="" if plain else ENCRYPTED,
            name=one_line(
                f"{origin['names']['model']} for images under {(bundle.scheme or {}).get('name', 'unknown')}"
            ),
            architecture=node.values()["model_name"],
            size=size,
            scheme=one_line(bundle.scheme or "not recorded"),
            key=f"the key {bundle.fingerprint}" if bundle.fingerprint else "no key that was recorded",
            vitcrypt=origin["vitcrypt"],
            identity=one_line(origin["identity"]),
            images=result.metrics.images,
            accuracy=100 * result.metrics.acc,
            began=f"began with a file of SHA-256 `{one_line(began)}`" if began else "began with random weights",
        )
        (partial / "README.md").write_text(text)
