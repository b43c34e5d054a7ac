"""Networks, their weights, and the LightningModule that trains them."""

from vitcrypt.models.classifier import ImageClassifier
from vitcrypt.models.resnet import ResNet18
from vitcrypt.models.weights import fetch_pretrained, load_weights, sha256

__all__ = ["ImageClassifier", "ResNet18", "fetch_pretrained", "load_weights", "sha256"]
