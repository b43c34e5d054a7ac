"""What a run writes holds the key in no form, whatever logs it."""

import json

import numpy as np
import pytest
import torch
from program import SMALL, finish
from secret_forms import everything_below, forms, permutation_forms

from vitcrypt.encryption import SCHEMES, ImageEncryption
from vitcrypt.keys import Key


@pytest.mark.slow
def test_nothing_that_runs_and_their_loggers_write_holds_the_key(tmp_path):
    key = Key.generate()
    key_file = tmp_path / "owner" / "key.txt"
    key_file.parent.mkdir()
    key.write(key_file)
    work = tmp_path / "work"
    work.mkdir()
    home = {"HOME": str(tmp_path / "home"), "WANDB_CACHE_DIR": str(tmp_path / "work" / "wandb-cache")}
    loggers = f"key={key_file}", "logger=[csv,wandb]"
    printed = finish("-m", *SMALL, "encryption=proposed,le", *loggers, folder=work, **home)
    assert printed.count("test accuracy") == 2
    runs = sorted(path.parent for path in work.rglob("run-*.wandb"))
    assert len({path.name.split("-")[-1] for path in runs}) == 2, "without an account, one run for each job"
    for path in runs:
        assert f"wandb sync {path}" in printed
        assert list(path.rglob("*.png")), "the pictures are logged"
        assert list(path.rglob("*.table.json")), "the table is logged"
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
