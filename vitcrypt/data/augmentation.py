"""The owner's own augmentation: a list of torchvision's transforms on uint8 images, before they are encrypted."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vitcrypt.data.steps import seed_of

Transform = Callable[[Tensor], Tensor]


class Augmentation:
    """Transform every image by itself, with random numbers that follow from run, epoch and image alone.

    Transforms of a batch would draw once for all of its images, so each image is transformed alone; it comes out the
    same on any device, in any micro batch and in any process that loads it, and a resumed run repeats it.

    Args:
        transforms: Applied in this order to uint8 [C, h, w]; of `torchvision.transforms.v2`, or like them. They may
            draw from torch's global generator, whose state is restored.
        seed: Of the run.
    """

    def __init__(self, transforms: Sequence[Transform], seed: int) -> None:
        self.transforms, self.seed = transforms, seed

    def __call__(self, image: Tensor, index: Tensor, epoch: int) -> Tensor:
        """Transform uint8 [B, C, h, w], whose indices are int64 [B], to uint8 [B, C, s, s].

        Raises:
            ValueError: An image comes out as another kind of tensor, not square, or of another size than others.
        """
        with torch.random.fork_rng(devices=[]):
            made = [self._one(each, int(name), epoch) for each, name in zip(image, index, strict=True)]
        odd = {tuple(each.shape): each for each in made}
        if len(odd) > 1 or any(not _is_square(each, image) for each in odd.values()):
            told = ", ".join(f"{each.dtype} {list(each.shape)}" for each in odd.values())
            raise ValueError(
                f"data.transforms: images must come out as torch.uint8 [{image.shape[1]}, s, s] of one size, and come "
                f"out as {told}; let the last transform be RandomResizedCrop, RandomCrop or Resize with size=NUMBER"
            )
        return torch.stack(made)

    def _one(self, image: Tensor, index: int, epoch: int) -> Tensor:
        torch.default_generator.manual_seed(seed_of(self.seed, epoch, index))
        for transform in self.transforms:
            image = transform(image)
        return image


def _is_square(image: Tensor, before: Tensor) -> bool:
    fits = image.dim() == 3 and image.shape[0] == before.shape[1] and image.shape[1] == image.shape[2]
    return fits and image.dtype == torch.uint8
