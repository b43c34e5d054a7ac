"""Networks, their weights, and the LightningModule that trains them."""

from vitcrypt.models.adaptation import adapted
from vitcrypt.models.classifier import ImageClassifier
from vitcrypt.models.key_folding import fold, rekey, unfold
from vitcrypt.models.patch_embedding import PatchProjection, kind_of, widen
from vitcrypt.models.resnet import ResNet18
from vitcrypt.models.shakedrop import PyramidNet
from vitcrypt.models.weights import classes_in, fetch_pretrained, load_weights

__all__ = [
    "ImageClassifier",
    "PatchProjection",
    "PyramidNet",
    "ResNet18",
    "adapted",
    "classes_in",
    "fetch_pretrained",
    "fold",
    "kind_of",
    "load_weights",
    "rekey",
    "unfold",
    "widen",
]
