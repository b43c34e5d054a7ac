"""From the folder of a finished run to a bundle that can be served."""

from pathlib import Path
from typing import Any

import vitcrypt
from vitcrypt.encryption import SCHEMES
from vitcrypt.experiment.build import build_network
from vitcrypt.experiment.checkpoint import read_checkpoint
from vitcrypt.report.results import WHOLE, lacking, read_result
from vitcrypt.service import Bundle

MODEL = ("network", "adaptation", "patch_embedding", "patch_size", "block_size")
BEFORE = {"adaptation": "none", "patch_embedding": "shared"}
"""What the networks of runs were before there was a choice; their results do not say it."""


def export(run: Path, out: Path) -> Bundle:
    """Make a bundle of a run: its network after the last epoch, and what its result says of images and encryption.

    Args:
        run: The folder of the run, with result.json and last.ckpt. No data and no key are needed.
        out: The new folder.

    Raises:
        FileNotFoundError: The run is not finished, or its checkpoint is gone.
        FileExistsError: `out` is there already.
        ValueError: The run is an attack, damaged, or of parts of one's own that a bundle cannot name.
    """
    if (result := read_result(run)) is None:
        raise FileNotFoundError(f"{run} holds no finished run (no result.json); vitcrypt run prints the folder")
    if "kind" in result:
        raise ValueError(f"{run} is an attack; a network is exported from the run of a training")
    if missing := lacking(result, WHOLE):
        raise ValueError(f"{run}/result.json is incomplete: it lacks {', '.join(missing)}")
    if not (run / "last.ckpt").is_file():
        raise FileNotFoundError(f"{run} has no last.ckpt; the network is in there: train it again with resume=false")
    config, received = result["config"], result.get("received") or {}  # received: what a folder's manifest said
    bundle = Bundle(
        model={name: (BEFORE | config["model"])[name] for name in MODEL},
        image_size=config["data"]["image_size"],
        interpolation=received.get("interpolation", config["data"]["interpolation"]),
        classes=result["classes"],
        scheme=received.get("scheme") or _scheme(config["encryption"]),
        fingerprint=result["key"]["fingerprint"],
        key_scope=received.get("key_scope", config["key_scope"]),
        origin={
            "identity": result["identity"],
            "names": config["names"],
            "test_accuracy": result["metrics"]["acc"],
            "test_images": result["metrics"]["images"],
            "trained_sha256": result["weights"]["trained_sha256"],
            "vitcrypt": vitcrypt.__version__,
        },
    )
    checkpoint = read_checkpoint(run / "last.ckpt", result["identity"])
    network = build_network(bundle.model, bundle.image_size, len(bundle.classes))
    prefix = "network."
    state = checkpoint["state_dict"].items()
    network.load_state_dict({name[len(prefix) :]: value for name, value in state if name.startswith(prefix)})
    return bundle.write(out, network)


def _scheme(node: dict[str, Any]) -> dict[str, Any] | None:
    """Return name and values of a configured scheme; None where images came encrypted and nothing says how."""
    if node["_target_"] is None:
        return None
    names = {f"vitcrypt.encryption.{cls.__name__}": name for name, cls in SCHEMES.items()}
    if node["_target_"] not in names:
        raise ValueError(
            f"{node['_target_']} is no scheme of vitcrypt, so no client could build it: {', '.join(SCHEMES)}"
        )
    return {"name": names[node["_target_"]], **{name: value for name, value in node.items() if name != "_target_"}}
