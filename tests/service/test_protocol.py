"""Owner and provider: separate processes, separate folders, and no key and no plain image on the provider's side."""

import contextlib
from pathlib import Path

import pytest
import torch
from bundles import ran, serving
from program import finish, results
from secret_forms import everything_below, forms, permutation_forms

from vitcrypt.data import digits, normalise, resize
from vitcrypt.encryption import ImageEncryption, Proposed
from vitcrypt.keys import Key
from vitcrypt.service import Bundle, Client

RUN = ["data=digits", "model=vit_micro", "trainer=cpu", "trainer.max_epochs=3", "encryption=proposed"]


def memory_of(process: int) -> bytes:
    """All memory that a process may write, as it is now, less empty pages."""
    found = []
    with Path(f"/proc/{process}/mem").open("rb") as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            area, rights = line.split()[:2]
            start, end = (int(value, 16) for value in area.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                with contextlib.suppress(OSError):  # of areas that cannot be read from outside
                    found.append(memory.read(end - start).replace(bytes(4096), b""))
    return b"".join(found)


def picture_forms(name: str, image: torch.Tensor) -> dict[str, bytes]:
    """Four middle rows of an image, colour by colour and pixel by pixel."""
    rows = image[:, 6:10]
    return {f"{name}, planes": rows[0].numpy().tobytes(), f"{name}, pixels": rows.permute(1, 2, 0).numpy().tobytes()}


@pytest.mark.slow
def test_the_service_gives_the_pipelines_labels_and_its_side_holds_no_key_and_no_plain_image(tmp_path):
    owner, provider = tmp_path / "owner", tmp_path / "provider"
    owner.mkdir()
    provider.mkdir()
    key = Key.generate()
    key.write(owner / "key.txt")
    finish(*RUN, f"key={owner / 'key.txt'}", folder=owner)
    (result,) = results(owner)
    run = next(owner.rglob("result.json")).parent
    done = ran("export", run, provider / "bundle", folder=owner)
    assert done.returncode == 0, done.stderr

    test = digits().test
    batch = test.batch(list(range(len(test))))
    plain = resize(batch["image"], 16)
    bundle = Bundle.read(provider / "bundle")
    with torch.inference_mode():
        encrypted = ImageEncryption(Proposed(4), key, (3, 16, 16))(plain)
        pipeline = bundle.network()(normalise(encrypted)).argmax(1)
    confusion = torch.zeros(10, 10, dtype=torch.int64)
    confusion.index_put_((batch["label"], pipeline), torch.ones((), dtype=torch.int64), accumulate=True)
    assert confusion.tolist() == result["metrics"]["confusion"], "these labels are those of the run's own test"

    home = {"HOME": str(provider), "TMPDIR": str(provider), "VITCRYPT_KEY_FILE": ""}
    with serving(provider / "bundle", log=provider / "log.txt", fresh=True, **home) as (process, url):
        client = Client(url, Key.read(owner / "key.txt"), provider / "bundle" / "client.json")
        predictions = client.predict(batch["image"])
        with pytest.raises(ValueError, match="wrong key"):
            Client(url, Key.generate())
        memory = memory_of(process.pid)
        modules = Path(f"/proc/{process.pid}/maps").read_text()
        variables = Path(f"/proc/{process.pid}/environ").read_bytes()
    assert [entry.label for entry in predictions] == pipeline.tolist(), "image by image"
    accuracy = sum(p.label == t for p, t in zip(predictions, batch["label"].tolist(), strict=True)) / len(predictions)
    assert accuracy == pytest.approx(result["metrics"]["acc"], abs=1e-6)

    wanted = forms(key._secret) | forms(key.derive("fingerprint"))
    for stage, subkey in Proposed(4).subkeys(key, (3, 16, 16)).items():
        if subkey.numel() >= 16:
            wanted |= permutation_forms(stage, subkey)
    wanted |= permutation_forms("index", ImageEncryption(Proposed(4), key, (3, 16, 16)).cipher.index)
    for i in range(0, len(plain), 36):
        wanted |= picture_forms(f"plain image {i}", plain[i])
    places = [*everything_below(provider), ("memory", memory), ("environment", variables), ("maps", modules.encode())]
    for place, data in places:
        for form, secret in wanted.items():
            assert secret not in data, f"{place} of the provider holds the key or a plain image: {form}"
    assert b"serving" in (provider / "log.txt").read_bytes(), "the log was kept and searched"
    assert key.fingerprint.encode() in memory, "the search does find what is there"
    assert "libtorch" not in modules, "serving ONNX needs no torch"
