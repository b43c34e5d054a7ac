"""A trained network under another key: the owner's step, which needs both keys and no training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vitcrypt.encryption import Scheme
from vitcrypt.jobs.atomic import sha256
from vitcrypt.models import kind_of, rekey
from vitcrypt.service.bundle import Bundle

if TYPE_CHECKING:
    from vitcrypt.keys import Key


def rekey_bundle(source: Path, out: Path, old: Key, new: Key) -> Bundle:
    """Write the bundle of a network that was trained under one key as the bundle of it under another.

    Args:
        source: The bundle of a ViT.
        out: The new bundle.
        old: The key of the images that it was trained on.
        new: The key that it shall serve.

    Raises:
        FileExistsError: `out` exists. It is left as it is.
        ValueError: `old` is another key than the bundle's, or its network cannot carry a key; the message says why.
    """
    bundle = Bundle.read(source)
    if bundle.fingerprint != old.fingerprint:
        raise ValueError(
            f"--old-key is {old.fingerprint}, and {source} is for images under {bundle.fingerprint or 'no key'}; give "
            "the key that its images were encrypted with"
        )
    if bundle.key_scope != "shared":
        raise ValueError(f"{source} is for images with a key each, and one network cannot follow many keys")
    if (named := bundle.described.scheme) is None:
        raise ValueError(f"{source} does not record how the images were encrypted, so no key can be exchanged in it")
    scheme, shape = Scheme.from_dict(named), (3, bundle.image_size, bundle.image_size)
    before, after = (scheme.cipher(scheme.subkeys(key, shape), shape) for key in (old, new))
    network = rekey(bundle.network(), before, after)
    model = {**bundle.model, "patch_embedding": kind_of(network)}
    made_from = {"fingerprint": old.fingerprint, "bundle_sha256": sha256(source / "bundle.json")}  # it lists the others
    origin = {**bundle.origin, "rekeyed_from": made_from}
    return replace(bundle, model=model, fingerprint=new.fingerprint, origin=origin).write(out, network)
