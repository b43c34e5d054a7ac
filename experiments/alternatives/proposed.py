"""vitcrypt's proposed scheme: a ViT is trained and asked on encrypted digits."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import timm
import torch
from sklearn.datasets import load_digits
from task import measured, tell

import vitcrypt
from vitcrypt.data.transforms import normalise
from vitcrypt.encryption import ImageEncryption, Proposed
from vitcrypt.keys import Key


def main() -> None:
    """Train, then measure time and bytes; accuracy is that of all 360 test images of the run."""
    size = ["model.image_size=8", "model.patch_size=2", "encryption=proposed", "data=digits", "model=vit_micro"]
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, "-m", "vitcrypt.run", *size, "trainer=cpu", f"results={folder}"]
        subprocess.run(program, check=True, capture_output=True)
        (record,) = Path(folder).rglob("result.json")
        metrics = json.loads(record.read_text())["metrics"]
    values = {"img_size": 8, "patch_size": 2, "embed_dim": 64, "depth": 4, "num_heads": 4, "num_classes": 10}
    network = timm.create_model("vit_tiny_patch16_224", **values).eval()
    encryption = ImageEncryption(Proposed(2), Key.test("test-0"), (3, 8, 8))
    images, labels = load_digits(return_X_y=True)
    pictures = torch.from_numpy(images * 15.9).to(torch.uint8).view(-1, 1, 8, 8).expand(-1, 3, -1, -1)

    @torch.inference_mode()
    def answer(image):
        sent = encryption(image)
        return network(normalise(sent)[None])[0].numpy(), sent.numel() + 40

    torch.set_num_threads(1)
    row = measured(answer, pictures.contiguous(), labels, 360)
    row |= {"accuracy": metrics["acc"], "queries": metrics["images"]}
    tell({"digits": row}, setup_bytes=0, version=f"vitcrypt {vitcrypt.__version__}")


if __name__ == "__main__":
    main()
