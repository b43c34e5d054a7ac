"""How much of a key an attack recovered."""

from torch import Tensor


def key_shares(preds: dict[str, Tensor], target: dict[str, Tensor]) -> dict[str, float]:
    """Return for every subkey of `target` the share of its entries that `preds` has right; 0 for a subkey left out.

    Even a guess has a share: 1/2 of fair bits, 1/n of a permutation of n. Read a share beside that.

    Raises:
        ValueError: `preds` holds what is no subkey, or one of another shape.
    """
    if unknown := sorted(preds.keys() - target.keys()):
        raise ValueError(f"{', '.join(unknown)}: no such subkey; there are {sorted(target)}")
    for name, subkey in preds.items():
        if subkey.shape != target[name].shape:
            raise ValueError(f"subkey {name} has shape {list(target[name].shape)}, got {list(subkey.shape)}")
    return {
        name: float((preds[name].cpu() == subkey.cpu()).double().mean()) if name in preds else 0.0
        for name, subkey in target.items()
    }
