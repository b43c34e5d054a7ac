"""Every way in which a program might write a secret, and all bytes that it wrote."""

import base64
import zipfile

import torch


def forms(secret: bytes) -> dict[str, bytes]:
    """The secret, in every way that a program might write it."""
    texts = {
        "hex": secret.hex(),
        "HEX": secret.hex().upper(),
        "base32": base64.b32encode(secret).decode().rstrip("="),
        "base64": base64.b64encode(secret).decode().rstrip("="),
        "base64url": base64.urlsafe_b64encode(secret).decode().rstrip("="),
        "list": ", ".join(map(str, secret)),
        "compact list": ",".join(map(str, secret)),
    }
    return {"raw": secret} | {name: text.encode() for name, text in texts.items()}


def permutation_forms(name: str, index: torch.Tensor) -> dict[str, bytes]:
    values = index.flatten()[:24]
    arrays = {kind: values.numpy().astype(kind).tobytes() for kind in ("int64", "int32", "int16")}
    lists = {f"list {j!r}": j.join(map(str, values.tolist())).encode() for j in (", ", ",", " ", "\n- ")}
    return {f"{name} as {kind}": form for kind, form in (arrays | lists).items()}


def everything_below(folder):
    """All bytes that were written, file by file, archives also unpacked."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    for member in archive.namelist():
                        yield f"{path}/{member}", archive.read(member)
