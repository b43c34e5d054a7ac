"""ResNet-18 for CIFAR-sized images (He et al., CVPR 2016, the paper's references [27] and [28]).

Differs from the ImageNet network only in its stem: one 3 x 3 convolution without stride and no pooling.
"""

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, conv1x1, conv3x3


class ResNet18(nn.Module):
    """ResNet-18 with the CIFAR stem.

    Args:
        num_classes: Size of the output.
        width: Channels of the first stage; 64 is the original (11.17 M parameters).
        in_chans: Channels of the input.

    Shape:
        - x: float [B, in_chans, H, W], H and W at least 8
        - output: [B, num_classes]
    """

    def __init__(self, num_classes: int, width: int = 64, in_chans: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv3x3(in_chans, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        channels = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(
            *(
                _stage(before, after, stride)
                for before, after, stride in zip(channels, channels[1:], (1, 2, 2, 2), strict=False)
            )
        )
        self.fc = nn.Linear(channels[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.fc(self.stages(self.stem(x)).mean((2, 3)))
        return logits


def _stage(before: int, after: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or before != after:
        shortcut = nn.Sequential(conv1x1(before, after, stride), nn.BatchNorm2d(after))
    return nn.Sequential(BasicBlock(before, after, stride, shortcut), BasicBlock(after, after))
