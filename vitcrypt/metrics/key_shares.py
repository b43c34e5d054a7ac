"""How much of a key an attack recovered."""

from torch import Tensor


def key_shares(recovered: dict[str, Tensor], truth: dict[str, Tensor]) -> dict[str, float]:
    """Return for every subkey of `truth` the share of its entries that were recovered; 0 for a subkey left out.

    A guess has a share too: 1/2 of fair bits, 1/n of a permutation of n. Read a share beside that.

    Raises:
        ValueError: Something was recovered that is no subkey, or one has another shape.
    """
    if unknown := sorted(recovered.keys() - truth.keys()):
        raise ValueError(f"{', '.join(unknown)}: no such subkey; there are {sorted(truth)}")
    for name, subkey in recovered.items():
        if subkey.shape != truth[name].shape:
            raise ValueError(f"subkey {name} has shape {list(truth[name].shape)}, got {list(subkey.shape)}")
    return {
        name: float((recovered[name].cpu() == subkey.cpu()).double().mean()) if name in recovered else 0.0
        for name, subkey in truth.items()
    }
