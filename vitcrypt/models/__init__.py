"""Networks, their weights, and the LightningModule that trains them."""

from vitcrypt.models.adaptation import adapted
from vitcrypt.models.classifier import ImageClassifier
from vitcrypt.models.resnet import ResNet18
from vitcrypt.models.shakedrop import PyramidNet
from vitcrypt.models.weights import fetch_pretrained, load_weights, sha256

__all__ = ["ImageClassifier", "PyramidNet", "ResNet18", "adapted", "fetch_pretrained", "load_weights", "sha256"]
