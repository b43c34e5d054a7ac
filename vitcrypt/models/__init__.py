"""Networks, their weights, and the LightningModule that trains them.

Lightning, timm and torchvision are imported when what needs them is first asked for: most attacks need none.
"""

from types import ModuleType
from typing import TYPE_CHECKING

from vitcrypt import lazily
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


def _holding(name: str) -> tuple[ModuleType, ...]:
    if name == "ImageClassifier":
        from vitcrypt.models import classifier

        return (classifier,)
    from vitcrypt.models import convmixer, orbit, resnet, shakedrop

    return convmixer, orbit, resnet, shakedrop


__getattr__ = lazily(__name__, _holding)
