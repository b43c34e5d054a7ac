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
DIGITS = "7be5be79"
"""How the SHA-256 of AlexNet's weights begins."""
ALEXNET = f"https://download.pytorch.org/models/alexnet-owt-{DIGITS}.pth"
"""Where torchvision has its weights: `AlexNet_Weights.DEFAULT.url`, written here since its import takes seconds."""


def lpips_weights(path: str | Path | None = None) -> Path:
    """Return where AlexNet's weights are: the file that is named, else the one in torch's cache.

    Raises:
        FileNotFoundError: There is none; the message says how to get it.
        ValueError: It is another file.
    """
    file = Path(path) if path else Path(torch.hub.get_dir()) / "checkpoints" / Path(ALEXNET).name
    if not file.is_file():
        raise FileNotFoundError(f"{file} is not there; LPIPS needs {ALEXNET}, which is not downloaded by itself")
    if not (digest := sha256(file)).startswith(DIGITS):
        raise ValueError(f"{file} is damaged or another file: its SHA-256 begins with {digest[:8]}, not {DIGITS}")
    return file


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
        (Path(folder) / "checkpoints" / Path(ALEXNET).name).symlink_to(weights.resolve())
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
