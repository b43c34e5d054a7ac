"""What a run writes holds the key in no form, whatever logs it."""

import base64
import json
import zipfile

import numpy as np
import pytest
import torch
from program import SMALL, finish

from vitcrypt.encryption import SCHEMES, ImageEncryption
from vitcrypt.keys import Key


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


@pytest.mark.slow
@pytest.mark.parametrize("logger", ["csv", "wandb"])
def test_nothing_that_a_run_writes_holds_the_key(tmp_path, logger):
    key = Key.generate()
    key_file = tmp_path / "owner" / "key.txt"
    key_file.parent.mkdir()
    key.write(key_file)
    work = tmp_path / "work"
    work.mkdir()
    home = {"HOME": str(tmp_path / "home"), "WANDB_CACHE_DIR": str(tmp_path / "work" / "wandb-cache")}
    printed = finish("-m", *SMALL, "encryption=proposed,le", f"key={key_file}", f"logger={logger}", folder=work, **home)
    assert printed.count("test accuracy") == 2
    wanted = forms(key._secret) | forms(key.derive("fingerprint"))
    for name in ("proposed", "le"):
        scheme = SCHEMES[name](block_size=4)
        subkeys = scheme.subkeys(key, (3, 16, 16))
        for stage, subkey in subkeys.items():
            if subkey.numel() >= 16:  # shorter ones occur by chance
                wanted |= permutation_forms(f"{name} {stage}", subkey.to(torch.int64))
        wanted |= permutation_forms(f"{name} index", ImageEncryption(scheme, key, (3, 16, 16)).cipher.index)
    files = 0
    for path, data in [*everything_below(work), *everything_below(tmp_path / "home"), ("output", printed.encode())]:
        files += 1
        for form, secret in wanted.items():
            assert secret not in data, f"{path} holds the key as {form}"
    assert files > 10
    assert any(key.fingerprint.encode() in data for _, data in everything_below(work)), "the fingerprint is recorded"


def test_the_search_for_the_key_would_find_it(tmp_path):
    key = Key.generate()
    encryption = ImageEncryption(SCHEMES["proposed"](block_size=4), key, (3, 16, 16))
    torch.save({"leak": encryption.cipher.index}, tmp_path / "leak.ckpt")
    (tmp_path / "leak.json").write_text(json.dumps({"key": list(key._secret)}))
    np.save(tmp_path / "leak.npy", encryption.cipher.index.numpy().astype(np.int32))
    wanted = forms(key._secret) | permutation_forms("index", encryption.cipher.index)
    found = {form for _, data in everything_below(tmp_path) for form, secret in wanted.items() if secret in data}
    assert found == {"list", "index as int64", "index as int32"}


@pytest.mark.slow
def test_wandb_works_without_an_account_and_has_one_run_for_each_job(tmp_path):
    printed = finish(
        "-m", *SMALL, "encryption=proposed,plain", "logger=wandb", folder=tmp_path, HOME=str(tmp_path / "home")
    )
    runs = sorted(path.parent for path in tmp_path.rglob("run-*.wandb"))
    assert len(runs) == 2
    assert len({path.name.split("-")[-1] for path in runs}) == 2
    for path in runs:
        assert f"wandb sync {path}" in printed
        assert list(path.rglob("*.png")), "the pictures are logged"
        assert list(path.rglob("*.table.json")), "the table is logged"
