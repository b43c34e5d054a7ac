"""LPIPS where its weights are present: torchmetrics' implementation on AlexNet, and never a download behind one's back.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018. torchmetrics brings
the small linear layers; AlexNet's ImageNet weights are a file of torchvision's.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from vitcrypt.jobs.atomic import sha256

LEAST = 31  # a side of fewer pixels does not survive AlexNet's pooling


def lpips_weights(path: str | Path | None = None) -> Path:
    """Return where AlexNet's weights are: the file that is named, else the one in torch's cache.

    Raises:
        FileNotFoundError: There is none, with the way to get it.
        ValueError: It is another file.
    """
    url = _url()
    file = Path(path) if path else Path(torch.hub.get_dir()) / "checkpoints" / _name(url)
    if not file.is_file():
        raise FileNotFoundError(f"{file} is not there; LPIPS needs {url}, which is not downloaded by itself")
    if not (digest := sha256(file)).startswith(_digits(url)):
        raise ValueError(f"{file} is damaged or another file: its SHA-256 begins with {digest[:8]}, not {_digits(url)}")
    return file


def _url() -> str:
    from torchvision.models import AlexNet_Weights

    return AlexNet_Weights.DEFAULT.url


def _name(url: str) -> str:
    return url.rsplit("/", 1)[1]


def _digits(url: str) -> str:
    """Return how the SHA-256 of the file begins: the end of its name."""
    return Path(url).stem.rsplit("-", 1)[1]


def lpips(weights: Path) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the distance as a function of two batches, from weights that `lpips_weights` found.

    The function takes uint8 [B, 3, H, W] twice, H and W at least 31, and returns float64 [B]; 0 where images are equal,
    and the lower the more alike. Images are scaled to [-1, 1] as its authors do, and not resized.
    """
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    before = torch.hub.get_dir()
    with TemporaryDirectory() as folder:  # torchmetrics takes the weights from torch's cache only
        (Path(folder) / "checkpoints").mkdir()
        shutil.copyfile(weights, Path(folder) / "checkpoints" / _name(_url()))
        torch.hub.set_dir(folder)
        try:
            measure = LearnedPerceptualImagePatchSimilarity("alex", reduction="none", normalize=True)
        finally:
            torch.hub.set_dir(before)

    @torch.no_grad()
    def distance(a: Tensor, b: Tensor) -> Tensor:
        parts = zip((a.float() / 255).split(32), (b.float() / 255).split(32), strict=True)
        return torch.cat([measure(x, y).reshape(-1) for x, y in parts]).double()

    return distance
