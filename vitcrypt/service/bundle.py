"""The bundle: a folder with all that a provider needs to serve a trained network, and never a key.

bundle.json         what it is: network, image size, classes, scheme, fingerprint, origin; SHA-256 of the other files
model.safetensors   the state of the network
model.onnx          the same with normalisation inside: uint8 [batch, 3, S, S] -> logits [batch, classes]
client.json         what a client needs to encrypt queries
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitcrypt.experiment.validate import check_targets
from vitcrypt.jobs.atomic import sha256, sync_folder

if TYPE_CHECKING:
    from torch import nn

FORMAT = "vitcrypt bundle 1"
CLIENT_FORMAT = "vitcrypt client 1"
NETWORKS = ("vitcrypt.models.", "timm.")
"""Where the networks of bundles come from: a bundle is data and builds nothing else."""

FOR_CLIENTS = ("image_size", "interpolation", "classes", "scheme", "fingerprint", "key_scope")
TYPES: dict[str, type | tuple[type, ...]] = {
    "model": dict,
    "image_size": int,
    "interpolation": str,
    "classes": list,
    "scheme": (dict, type(None)),
    "fingerprint": (str, type(None)),
    "key_scope": str,
    "origin": dict,
}


@dataclass(frozen=True)
class Bundle:
    """What is served. `Bundle.read(folder)` checks and reads one, `write` makes one from a network.

    Args:
        model: What `build_network` takes of the group `model`: network, adaptation, block_size and, if it is not
            "shared", patch_embedding; and patch_size.
        image_size: S, the side of the images.
        interpolation: How images are resized to it: "bilinear" or "bicubic".
        classes: Names of the classes, in the order of the logits.
        scheme: Name and values of the encryption scheme, {"name": "proposed", "block_size": 16}; None: not recorded.
        fingerprint: Of the key that the images are encrypted with; None if there is none, or it was not recorded.
        key_scope: "shared" or "per_image".
        origin: Where the network comes from: identity of its run, test accuracy, SHA-256 of what was trained; after
            `vitcrypt rekey` also the bundle that it was made from, by the SHA-256 of its bundle.json.
        folder: Where it was read from.
    """

    model: dict[str, Any]
    image_size: int
    interpolation: str
    classes: list[str]
    scheme: dict[str, Any] | None
    fingerprint: str | None
    key_scope: str
    origin: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def __post_init__(self) -> None:
        """Check what arithmetic relies on, and that the network is one of those that a bundle may name."""
        if self.image_size < 1 or not self.classes:
            raise ValueError(f"image_size={self.image_size} and {len(self.classes)} classes: both are at least 1")
        if missing := {"network", "adaptation", "block_size"} - self.model.keys():
            raise ValueError(f"the model of a bundle names its {', '.join(sorted(missing))} too")
        if self.fingerprint is not None and not re.fullmatch("[0-9a-f]{16}", self.fingerprint):
            raise ValueError(f"a fingerprint is 16 hexadecimal digits; got {self.fingerprint!r}")
        check_targets(self.model, NETWORKS)

    @classmethod
    def read(cls, folder: str | Path) -> Bundle:
        """Read a bundle and compare every file with its checksum.

        Raises:
            FileNotFoundError: There is none, or a file of it is missing.
            ValueError: It is damaged, changed, of another version, or names a network that no bundle may.
        """
        folder = Path(folder)
        if not (folder / "bundle.json").is_file():
            raise FileNotFoundError(f"{folder} is no bundle: it has no bundle.json; make one: vitcrypt export RUN OUT")
        described = read_json(folder / "bundle.json", FORMAT)
        files = described.pop("files", None)
        if not isinstance(files, dict) or not {"model.safetensors", "model.onnx", "client.json"} <= files.keys():
            raise ValueError(f"{folder / 'bundle.json'} is damaged: it lists no checksums; export the run again")
        for name, expected in files.items():
            if Path(name).name != name or not (folder / name).is_file():
                raise FileNotFoundError(f"{folder / name} is missing; copy the whole bundle again")
            if sha256(folder / name) != expected:
                raise ValueError(f"{folder / name} is damaged or was changed: its SHA-256 is another than recorded")
        for name, kind in TYPES.items():
            if not isinstance(described.get(name, ...), kind):
                raise ValueError(f"{folder / 'bundle.json'} is damaged: {name} is missing or of another type")
        bundle = cls(**{name: described[name] for name in TYPES}, folder=folder)
        if read_json(folder / "client.json", CLIENT_FORMAT) != bundle.for_clients():
            raise ValueError(f"{folder}: bundle.json and client.json contradict each other; export the run again")
        return bundle

    def network(self) -> nn.Module:
        """Rebuild the network with its trained weights, on the CPU, in evaluation mode."""
        from safetensors.torch import load_file

        from vitcrypt.experiment.build import build_network

        assert self.folder is not None, "only a bundle that was read or written has weights"
        network = build_network(self.model, self.image_size, len(self.classes))
        network.load_state_dict(load_file(self.folder / "model.safetensors"))
        return network.eval()

    def for_clients(self) -> dict[str, Any]:
        """Return the contents of client.json, less its format."""
        return {name: getattr(self, name) for name in FOR_CLIENTS}

    def write(self, folder: str | Path, network: nn.Module) -> Bundle:
        """Write a bundle of this description with the weights of `network`, as a whole or not at all.

        Args:
            folder: The new folder.
            network: What `build_network` makes of `model`, trained; it is put into evaluation mode.

        Returns:
            The same description with its folder.

        Raises:
            FileExistsError: Something is there already; nothing is ever overwritten.
            OSError: It could not be written; nothing of it stays.
            RuntimeError: The ONNX graph and the network do not agree.
        """
        from safetensors.torch import save_file

        from vitcrypt.service.graph import write_onnx

        folder = Path(folder)
        if folder.exists() or folder.is_symlink():
            raise FileExistsError(f"{folder} exists: a bundle is never overwritten; choose another name")
        partial = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        try:
            partial.mkdir(parents=True)
            state = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
            save_file(state, partial / "model.safetensors")
            write_onnx(network.cpu(), partial / "model.onnx", self.image_size)
            _write_json(partial / "client.json", {"format": CLIENT_FORMAT, **self.for_clients()})
            files = {path.name: sha256(path) for path in sorted(partial.iterdir())}
            described = {name: value for name, value in asdict(self).items() if name != "folder"}
            _write_json(partial / "bundle.json", {"format": FORMAT, **described, "files": files})
            for path in partial.iterdir():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            sync_folder(partial)
            partial.rename(folder)
            sync_folder(folder.parent)
        except OSError as error:
            raise OSError(f"cannot write the bundle {folder}: {error}; nothing of it was kept") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return Bundle(**described, folder=folder)


def read_json(path: Path, expected: str) -> dict[str, Any]:
    """Read a JSON object that begins with the format `expected`, and return the rest of it."""
    try:
        content = json.loads(path.read_text())
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    found = content.pop("format", None) if isinstance(content, dict) else None
    if found != expected:
        raise ValueError(f"{path} is {found or 'of an unknown format'!r}; this vitcrypt reads {expected!r}")
    return content


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
