"""LPIPS by torchmetrics on AlexNet. Its weights must be present: they are never downloaded implicitly.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018. torchmetrics brings
the small linear layers; AlexNet's ImageNet weights are a file of torchvision's.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from vitcrypt.jobs.atomic import sha256

# images with a smaller side do not survive AlexNet's pooling
LEAST = 31


def lpips_weights(path: str | Path | None = None) -> Path:
    """Return where AlexNet's weights are: the file that is named, else the one in torch's cache.

    Raises:
        FileNotFoundError: There is none; the message says how to get it.
        ValueError: It is another file.
    """
    url, digits = _published()
    file = Path(path) if path else Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    if not file.is_file():
        raise FileNotFoundError(f"{file} is not there; LPIPS needs {url}, which is not downloaded by itself")
    if not (digest := sha256(file)).startswith(digits):
        raise ValueError(f"{file} is damaged or another file: its SHA-256 begins with {digest[:8]}, not {digits}")
    return file


def _published() -> tuple[str, str]:
    """Return the address of AlexNet's weights and how their SHA-256 begins, with which the file's name ends."""
    from torchvision.models import AlexNet_Weights

    url: str = AlexNet_Weights.DEFAULT.url
    return url, Path(url).stem.rsplit("-", 1)[1]


def lpips(weights: Path) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the distance as a function of two batches, from weights that `lpips_weights` found.

    The function takes uint8 [B, 3, H, W] twice, H and W at least 31, and returns float64 [B]; 0 where images are equal,
    and the lower the more alike. Images are scaled to [-1, 1] as its authors do, and not resized.
    """
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    before = torch.hub.get_dir()
    # torchmetrics takes the weights from torch's cache only
    with TemporaryDirectory() as folder:
        (Path(folder) / "checkpoints").mkdir()
        (Path(folder) / "checkpoints" / Path(_published()[0]).name).symlink_to(weights.resolve())
        torch.hub.set_dir(folder)
        try:
            measure = LearnedPerceptualImagePatchSimilarity("alex", reduction="none", normalize=True)
        finally:
            torch.hub.set_dir(before)

    @torch.no_grad()
    def distance(preds: Tensor, target: Tensor) -> Tensor:
        parts = zip(*(torch.split(images.float() / 255, 32) for images in (preds, target)), strict=True)
        return torch.cat([measure(*part).reshape(-1) for part in parts]).double()

    return distance
