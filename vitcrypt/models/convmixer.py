"""ConvMixer (Trockman and Kolter, "Patches Are All You Need?", TMLR 2023), isotropic as a ViT, by timm."""

from timm.models import convmixer


class ConvMixer(convmixer.ConvMixer):  # type: ignore[misc]
    """timm's ConvMixer with sizes for images of 32 pixels; the architectures that timm names have fixed sizes.

    Args:
        num_classes: Size of the output.
        dim: Channels of a patch, the same at every depth.
        depth: Number of layers.
        kernel_size: Of the convolutions over patches.
        patch_size: Of the embedding; that of the encryption's blocks, or a divisor of it.
        in_chans: Channels of the input.

    Shape:
        - x: float [B, in_chans, H, W], divisible by the patch size
        - output: [B, num_classes]
    """

    def __init__(
        self,
        num_classes: int,
        dim: int = 256,
        depth: int = 8,
        kernel_size: int = 5,
        patch_size: int = 4,
        in_chans: int = 3,
    ) -> None:
        super().__init__(dim, depth, kernel_size, patch_size, in_chans, num_classes)
