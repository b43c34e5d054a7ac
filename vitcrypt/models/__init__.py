"""Networks, their weights, and the LightningModule that trains them.

Lightning, timm and torchvision are imported when what needs them is first asked for: most attacks need none.
"""

from typing import TYPE_CHECKING, Any

from vitcrypt.models.adaptation import adapted
from vitcrypt.models.key_folding import fold_key, rekey, unfold_key
from vitcrypt.models.patch_embedding import PatchProjection, kind_of, widen
from vitcrypt.models.weights import classes_in, fetch_pretrained, load_weights, zero_classifier

if TYPE_CHECKING:
    from vitcrypt.models.classifier import ImageClassifier
    from vitcrypt.models.convmixer import ConvMixer
    from vitcrypt.models.orbit import OrbitNetwork
    from vitcrypt.models.resnet import ResNet18
    from vitcrypt.models.shakedrop import PyramidNet

fold, unfold = fold_key, unfold_key  # their names in version 0.1

__all__ = [
    "ConvMixer",
    "ImageClassifier",
    "OrbitNetwork",
    "PatchProjection",
    "PyramidNet",
    "ResNet18",
    "adapted",
    "classes_in",
    "fetch_pretrained",
    "fold_key",
    "kind_of",
    "load_weights",
    "rekey",
    "unfold_key",
    "widen",
    "zero_classifier",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "ImageClassifier":
        from vitcrypt.models.classifier import ImageClassifier

        return ImageClassifier
    from vitcrypt.models import convmixer, orbit, resnet, shakedrop

    for module in (convmixer, orbit, resnet, shakedrop):
        globals().update({given: value for given, value in vars(module).items() if given in __all__})
    return globals()[name]
