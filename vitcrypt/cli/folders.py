"""The owner's commands: `vitcrypt encrypt`, `decrypt`, `rotate` for folders, `adapt` and `rekey` for networks.

`verify` and `pack`, for folders, need no key and are everybody's.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from vitcrypt.untrusted.text import console, error_console

if TYPE_CHECKING:
    from vitcrypt.encryption import Scheme
    from vitcrypt.folders import Made
    from vitcrypt.folders.job import Advance
    from vitcrypt.keys import Key

app = typer.Typer()
SILENCE = 10.0  # seconds between two lines of progress where there is no terminal


SchemeName = Literal["proposed", "le", "ele", "etc", "pe"]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The new folder. Nothing in it is ever overwritten.")]
KeyFile = Annotated[
    str, typer.Option(metavar="FILE", envvar="VITCRYPT_KEY_FILE", help="The key file (or a public test key: test-0).")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Images at once; default: one for each core.")]


@app.command()
def encrypt(
    source: Annotated[Path, typer.Argument(metavar="IN", help="CLASS/* or {train,test,val}/CLASS/*: any images.")],
    out: Out,
    key_file: KeyFile,
    encryption: Annotated[SchemeName, typer.Option(help="The scheme.")] = "proposed",
    image_size: Annotated[int, typer.Option(min=1, help="Side that images are resized to first: the model's.")] = 224,
    block_size: Annotated[int | None, typer.Option(help="Side of a block; default: 16. A ViT's patch size.")] = None,
    channel_shuffle: Annotated[bool, typer.Option(help="PE alone: also shuffle the channels of each pixel.")] = True,
    interpolation: Annotated[Literal["bilinear", "bicubic"], typer.Option(help="How to resize.")] = "bilinear",
    key_scope: Annotated[Literal["shared", "per_image"], typer.Option(help="One key for all, or one each.")] = "shared",
    keep_names: Annotated[bool, typer.Option("--keep-names", help="Keep file names, which may tell a lot.")] = False,
    transparency: Annotated[Literal["white", "refuse"], typer.Option(help="Lay it on white, or refuse it.")] = "white",
    workers: Workers = None,
) -> None:
    """Encrypt a folder of class folders into PNG files that any program reads. Repeat it to finish a broken job."""
    key = _key(key_file)
    from vitcrypt.folders import encrypt_folder

    scheme = _scheme(encryption, block_size, channel_shuffle)
    if key.test_name:
        console.print(f"{key.test_name} is a public test key: anyone can decrypt these images.", style="yellow")
    with _progress("encrypting") as advance:
        made = encrypt_folder(
            source,
            out,
            scheme,
            key,
            image_size,
            interpolation,
            key_scope,
            keep_names,
            workers,
            advance,
            _tell_lines,
            transparency,
        )
    _tell(made, out)
    console.print(f"  for the provider: all of {out}; class folders keep their names. The key stays here.")


@app.command()
def decrypt(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A folder that vitcrypt encrypt made.")],
    out: Out,
    key_file: KeyFile,
    names: Annotated[
        Path | None, typer.Option(metavar="PHOTOS", help="What was encrypted: take its file names.")
    ] = None,
    workers: Workers = None,
) -> None:
    """Decrypt a folder: the bytes of the resized images, exactly. A wrong key is an error."""
    key = _key(key_file)
    from vitcrypt.folders import decrypt_folder

    with _progress("decrypting") as advance:
        made = decrypt_folder(source, out, key, workers, advance, names)
    _tell(made, out)


@app.command()
def rotate(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A folder that vitcrypt encrypt made.")],
    out: Out,
    old_key: Annotated[str, typer.Option(metavar="FILE", help="The key that it is under.")],
    new_key: Annotated[str, typer.Option(metavar="FILE", help="The key that the new folder shall be under.")],
    workers: Workers = None,
) -> None:
    """Bring a folder under a new key. No plain image is ever written."""
    old, new = _key(old_key), _key(new_key)
    from vitcrypt.folders import rotate_folder

    with _progress("re-encrypting") as advance:
        made = rotate_folder(source, out, old, new, workers, advance)
    _tell(made, out)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that vitcrypt made, also of tar files.")],
    workers: Workers = None,
) -> None:
    """Compare every file with the manifest. Needs no key; exit code 1 if anything is missing, changed or foreign."""
    from vitcrypt.data.received import contents
    from vitcrypt.folders import verify_folder

    with _progress("verifying") as advance:
        manifest, wrong = verify_folder(folder, workers, advance)
    console.print(f"{folder}: {len(manifest.index):,} images, {len(manifest.classes)} classes; {manifest}")
    _tell_lines([f"  {line}" for line in (*wrong, contents(folder).left_out) if line])
    if wrong:
        raise ValueError(
            f"{folder}: {len(wrong)} of its files are not as they should be; get them again from the owner, and move "
            "away what is foreign"
        )
    console.print(Text.assemble(("whole", "bold green"), f", manifest {manifest.digest}"))


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that vitcrypt encrypt made.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="OUT.npz: one file; else: a new folder of tar files.")],
    shard_mib: Annotated[int | None, typer.Option(min=1, help="MiB in a tar file at most; default: 1024.")] = None,
    workers: Workers = None,
) -> None:
    """Pack a folder of very many images into one .npz file, or into tar files. Needs no key."""
    if out.suffix in (".tar", ".tgz", ".gz", ".zip"):
        raise ValueError(f"OUT is a new folder of tar files, or ends in .npz; got {out}; say {out.with_suffix('')}")
    if out.suffix == ".npz" and shard_mib is not None:
        raise ValueError(f"--shard-mib is for a folder of tar files, and {out} is one .npz file; leave it out")
    from vitcrypt.experiment.command_line import override
    from vitcrypt.folders import pack_npz, pack_shards

    before = os.path.lexists(out)
    with _progress("packing") as advance:
        if out.suffix == ".npz":
            manifest = pack_npz(folder, out, workers, advance)
            size, then = out.stat().st_size, ["run", "data=npz", override("data.root", out), "encryption=received"]
        else:
            manifest = pack_shards(folder, out, shard_mib or 1024, workers, advance)
            size, then = sum(file.stat().st_size for file in out.iterdir()), ["verify", str(out)]
    console.print(
        Text.assemble(
            (f"{len(manifest.index):,} images in {out}", "bold green"),
            f" ({size / 2**20:,.1f} MiB)" + (", finished before, nothing to do" if before else ""),
        )
    )
    console.print(f"  {manifest}")
    console.print(f"  {shlex.join(['vitcrypt', *then])}")


@app.command()
def adapt(
    weights: Annotated[Path, typer.Argument(help="Pretrained weights, or the checkpoint of a run.")],
    out: Annotated[Path, typer.Argument(help="The new .safetensors file, for the provider.")],
    key_file: KeyFile,
    overrides: Annotated[list[str] | None, typer.Argument(help="As for vitcrypt run: model.image_size=32 ...")] = None,
    encryption: Annotated[str, typer.Option(help="The scheme, as for vitcrypt run.")] = "proposed",
    model: Annotated[str, typer.Option(help="The network, a ViT.")] = "vit_b16",
) -> None:
    """Move pretrained weights by your key, so that a provider trains them on encrypted images without loss."""
    key = _key(key_file)
    from vitcrypt.experiment.command_line import override
    from vitcrypt.experiment.fold_key import adapt as adapt_weights

    said = adapt_weights(weights, out, key, encryption, model, overrides or [])
    console.print(f"adapted weights in {out}")
    of_network = [override for override in overrides or [] if override.startswith("model.")]
    trains = [f"model={model}", *(override(name, value) for name, value in said.items()), *of_network]
    command = shlex.join(["vitcrypt", "run", "encryption=received", *trains])
    console.print(f"  the provider trains with: {command} data=... data.root=...")
    console.print("Whoever has this file and the original weights reads your key from the two.", style="yellow")


@app.command()
def rekey(
    source: Annotated[Path, typer.Argument(metavar="BUNDLE", help="What vitcrypt export made.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new bundle; never overwritten.")],
    old_key: Annotated[str, typer.Option(metavar="FILE", help="The key of the images that it was trained on.")],
    new_key: Annotated[str, typer.Option(metavar="FILE", help="The key that it shall serve.")],
) -> None:
    """Bring a trained ViT under a new key without training: the accuracy stays, queries change their key."""
    old, new = _key(old_key), _key(new_key)
    from vitcrypt.experiment.fold_key import rekey_bundle

    with console.status("moving the weights, writing ONNX, comparing the two"):
        bundle = rekey_bundle(source, out, old, new)
    console.print(f"{out}: the network of {source}, now for images under key {bundle.fingerprint}")
    console.print("Whoever has both bundles reads from them how the two keys differ.", style="yellow")


def _key(name: str) -> Key:
    from vitcrypt.keys import open_key

    return open_key(name)


def _scheme(name: SchemeName, block_size: int | None, channel_shuffle: bool) -> Scheme:
    from vitcrypt.encryption import PE, SCHEMES

    if name == "pe":
        if block_size is not None:
            raise ValueError("--encryption pe works pixel by pixel and takes no --block-size; leave it out")
        return PE(channel_shuffle=channel_shuffle)
    if not channel_shuffle:
        raise ValueError(f"--no-channel-shuffle is for --encryption pe; {name} has no such step")
    return SCHEMES[name](16 if block_size is None else block_size)


def _tell_lines(lines: list[str]) -> None:
    for line in lines:
        console.print(line)


def _tell(made: Made, out: Path) -> None:
    total, manifest = len(made.manifest.index), made.manifest
    size = sum((out / name).stat().st_size for name in manifest.index) / 2**20
    how = f"{made.written:,} made now" if made.written else "finished before, nothing to do"
    console.print(Text.assemble((f"{total:,} images in {out}", "bold green"), f" ({size:,.1f} MiB), {how}"))
    if made.note:
        console.print(f"  {made.note}", style="yellow")
    console.print(f"  {manifest}")
    console.print(f"  {shlex.join(['vitcrypt', 'verify', str(out)])}")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} images/s" if task.speed else "")


@contextmanager
def _progress(what: str) -> Iterator[Advance]:
    """Show a bar with rate and time left; where there is no terminal, a line now and then."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=error_console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=None)
        started = told = time.monotonic()

        def advance(done: int, before: int, of: int) -> None:
            nonlocal told
            progress.update(task, completed=done, total=of)
            now = time.monotonic()
            if progress.disable and (now - told > SILENCE or done == of):
                told = now
                rate = (done - before) / max(now - started, 1e-9)
                error_console.print(f"{what} {done:,}/{of:,}  {rate:,.0f} images/s")

        yield advance
