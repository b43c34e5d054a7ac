"""Table I as it was published, and which of our runs belongs to which of its rows.

Source: Table I of Qi, MaungMaung, Kinoshita, Kiya, "Privacy-Preserving Image Classification Using Vision Transformer",
EUSIPCO 2022. The rows marked `best` are not the paper's own measurements: they equal Table 3 of Madono et al.,
"Block-wise Scrambled Image Recognition Using Adaptation Network", AAAI workshop on AIoT 2020, cell for cell. Those are
the best accuracies over all epochs on the test set.
"""

from dataclasses import dataclass

from vitcrypt.report.records import AttackResult, TrainingResult

DATA = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
CONTENTS = {
    "49ed260d2d08d5a1d308e98c86bf877e55ccdf3f7e494e5d96fd8e6eaa75ca9f": "cifar10",
    "e2778241f1a073db0549d15163c6b47c17c9e2e0c3839fdc0e7a0c6b0877a880": "cifar100",
}
"""Digests (`vitcrypt.data.content`) of all 60,000 images and labels, whatever files they lie in."""
NETWORKS = {  # the paper's name, and the parameters of its network at 10 classes in millions
    "shakedrop": ("ShakeDrop", 28.49),
    "resnet18": ("ResNet-18", 11.17),
    "vit_b16": ("ViT-B_16", 85.81),
}
STAND_INS = {"vit_micro": "vit_b16"}
"""Networks for a CPU that are shown in the row of another one."""


@dataclass(frozen=True)
class Row:
    """A row of Table I.

    Args:
        encryption: Name of the scheme.
        network: Name of our `model`.
        cifar10: Accuracy in percent.
        cifar100: The same; None where the paper has none.
        adaptation: The adaptation network, for the rows marked *.
        best: Whether the numbers are the best over epochs on the test set, as Madono et al. report them.
    """

    encryption: str
    network: str
    cifar10: float
    cifar100: float | None
    adaptation: str = "none"
    best: bool = False

    @property
    def label(self) -> str:
        """The encryption as the paper writes it."""
        name = {"plain": "Plain", "proposed": "Proposed", "etc": "EtC"}.get(self.encryption, self.encryption.upper())
        return name + ("*" if self.adaptation != "none" else "")

    def accuracy(self, data: str) -> float | None:
        """Return the published accuracy in percent."""
        return self.cifar10 if data == "cifar10" else self.cifar100


TABLE1 = (
    Row("le", "shakedrop", 94.49, 75.48, "le", best=True),
    Row("etc", "shakedrop", 85.94, 61.90, best=True),
    Row("ele", "shakedrop", 83.06, 62.97, "ele", best=True),
    Row("pe", "resnet18", 92.03, None),
    Row("proposed", "vit_b16", 96.64, 84.42),
    Row("plain", "resnet18", 95.53, None),
    Row("plain", "shakedrop", 96.70, 83.59, best=True),
    Row("plain", "vit_b16", 99.11, 92.48),
)


def data_of(result: TrainingResult | AttackResult) -> str:
    """Return which images a result is of: by their content where it is known, else as `names.data` says."""
    return CONTENTS.get(content_in(result) or "", result.config.names.data)


def content_in(result: TrainingResult | AttackResult) -> str | None:
    """Return the digest of the content of the images in a record; None where there is none."""
    content = (result.inputs or {}).get("content")
    return content if isinstance(content, str) else None


def row_of(result: TrainingResult) -> Row | None:
    """Return the row that a run belongs to, or None."""
    names = result.config.names
    model = STAND_INS.get(names.model, names.model)
    cell = (names.encryption, model, result.config.model.adaptation)
    return next((row for row in TABLE1 if (row.encryption, row.network, row.adaptation) == cell), None)
