"""Networks, their weights, and the LightningModule that trains them."""

from vitcrypt.models.adaptation import adapted
from vitcrypt.models.classifier import ImageClassifier
from vitcrypt.models.convmixer import ConvMixer
from vitcrypt.models.key_folding import fold_key, rekey, unfold_key
from vitcrypt.models.orbit import OrbitNetwork
from vitcrypt.models.patch_embedding import PatchProjection, kind_of, widen
from vitcrypt.models.resnet import ResNet18
from vitcrypt.models.shakedrop import PyramidNet
from vitcrypt.models.weights import classes_in, fetch_pretrained, load_weights, zero_classifier

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
