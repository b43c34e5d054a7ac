"""`vitcrypt encrypt`, `decrypt` and `rotate` for the owner; anyone may `verify` and `pack`, without a key."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from vitcrypt.cli.options import (
    KeyFile,
    NewKey,
    OldKey,
    SchemeName,
    Workers,
    key_of,
    print_lines,
    progress,
    scheme_of,
)
from vitcrypt.untrusted.text import console

if TYPE_CHECKING:
    from vitcrypt.folders import Made

app = typer.Typer()

Encrypted = Annotated[Path, typer.Argument(metavar="IN", help="A folder that vitcrypt encrypt made.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The new folder. Nothing in it is ever overwritten.")]


@app.command()
def encrypt(
    source: Annotated[Path, typer.Argument(metavar="IN", help="CLASS/* or {train,test,val}/CLASS/*: any images.")],
    out: Out,
    key_file: KeyFile,
    encryption: Annotated[SchemeName, typer.Option(help="The scheme.")] = "proposed",
    image_size: Annotated[int, typer.Option(min=1, help="Side that images are resized to first: the model's.")] = 224,
    block_size: Annotated[int | None, typer.Option(help="Side of a block; default: 16. A ViT's patch size.")] = None,
    channel_shuffle: Annotated[bool, typer.Option(help="Only for PE: also shuffle the channels of a pixel.")] = True,
    quality: Annotated[int | None, typer.Option(help="Only for etc_jpeg: of JPEG, 1 to 100; default: 80.")] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another value of the scheme: sigma=0.5.")
    ] = None,
    interpolation: Annotated[Literal["bilinear", "bicubic"], typer.Option(help="How to resize.")] = "bilinear",
    key_scope: Annotated[Literal["shared", "per_image"], typer.Option(help="One key for all, or one each.")] = "shared",
    keep_names: Annotated[bool, typer.Option("--keep-names", help="Keep file names, which may tell a lot.")] = False,
    transparency: Annotated[Literal["white", "refuse"], typer.Option(help="Lay it on white, or refuse it.")] = "white",
    workers: Workers = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="This machine, or processes of Ray.")] = "local",
) -> None:
    """Encrypt a folder into PNG files (etc_jpeg: JPEG; features: .npy). Run it again to finish a broken job."""
    key = key_of(key_file)
    from vitcrypt.folders import encrypt_folder
    from vitcrypt.keys.opening import opener

    scheme = scheme_of(encryption, block_size, channel_shuffle, quality, values or ())
    if key.test_name:
        console.print(f"{key.test_name} is a public test key: anyone can decrypt these images.", style="yellow")
    with progress("encrypting") as advance:
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
            print_lines,
            transparency,
            on_ray=opener(key_file) if engine == "ray" else None,
        )
    _print_made(made, out)
    console.print(f"  for the provider: everything in {out}; class folders keep their names. The key stays here.")


@app.command()
def decrypt(
    source: Encrypted,
    out: Out,
    key_file: KeyFile,
    names: Annotated[
        Path | None, typer.Option(metavar="PHOTOS", help="The folder that was encrypted: take its file names.")
    ] = None,
    workers: Workers = None,
) -> None:
    """Decrypt a folder: the bytes of the resized images, exactly. A wrong key is an error."""
    key = key_of(key_file)
    from vitcrypt.folders import decrypt_folder

    with progress("decrypting") as advance:
        made = decrypt_folder(source, out, key, workers, advance, names)
    _print_made(made, out)


@app.command()
def rotate(source: Encrypted, out: Out, old_key: OldKey, new_key: NewKey, workers: Workers = None) -> None:
    """Bring a folder under a new key. No plain image is ever written."""
    old, new = key_of(old_key), key_of(new_key)
    from vitcrypt.folders import rotate_folder

    with progress("re-encrypting") as advance:
        made = rotate_folder(source, out, old, new, workers, advance)
    _print_made(made, out)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that vitcrypt made, also of tar files.")],
    workers: Workers = None,
) -> None:
    """Compare every file with the manifest. Needs no key; exit code 1 if a file is missing, changed or foreign."""
    from vitcrypt.data.received import contents
    from vitcrypt.folders import verify_folder

    with progress("verifying") as advance:
        manifest, wrong = verify_folder(folder, workers, advance)
    console.print(f"{folder}: {len(manifest.index):,} images, {len(manifest.classes)} classes; {manifest}")
    print_lines([f"  {line}" for line in (*wrong, contents(folder).left_out) if line])
    if wrong:
        raise ValueError(
            f"{folder}: {len(wrong)} files are missing, changed or foreign; get the first two again from the owner, "
            "and move foreign ones away"
        )
    console.print(Text.assemble(("complete", "bold green"), f", manifest {manifest.digest}"))


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that vitcrypt encrypt made.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="OUT.npz: one file; else: a new folder of tar files.")],
    shard_mib: Annotated[int | None, typer.Option(min=1, help="MiB in a tar file at most; default: 1024.")] = None,
    workers: Workers = None,
) -> None:
    """Pack a folder of very many images into one .npz file, or into tar files. Needs no key."""
    if out.suffix in (".tar", ".tgz", ".gz", ".zip"):
        raise ValueError(f"OUT is a new folder of tar files, or ends in .npz; got {out}; use {out.with_suffix('')}")
    if out.suffix == ".npz" and shard_mib is not None:
        raise ValueError(f"--shard-mib is for a folder of tar files, and {out} is one .npz file; leave it out")
    from vitcrypt.experiment.command_line import override
    from vitcrypt.folders import pack_npz, pack_shards

    before = os.path.lexists(out)
    with progress("packing") as advance:
        if out.suffix == ".npz":
            manifest = pack_npz(folder, out, workers, advance)
            size, then = out.stat().st_size, ["run", "data=npz", override("data.root", out), "encryption=received"]
        else:
            manifest = pack_shards(folder, out, shard_mib or 1024, workers, advance)
            size, then = sum(file.stat().st_size for file in out.iterdir()), ["verify", str(out)]
    done = f" ({size / 2**20:,.1f} MiB)" + (", finished before, nothing to do" if before else "")
    console.print(Text.assemble((f"{len(manifest.index):,} images in {out}", "bold green"), done))
    print_lines([f"  {manifest}", f"  {shlex.join(['vitcrypt', *then])}"])


def _print_made(made: Made, out: Path) -> None:
    total, manifest = len(made.manifest.index), made.manifest
    size = sum((out / name).stat().st_size for name in manifest.index) / 2**20
    how = f"{made.written:,} written now" if made.written else "finished before, nothing to do"
    console.print(Text.assemble((f"{total:,} images in {out}", "bold green"), f" ({size:,.1f} MiB), {how}"))
    if made.note:
        console.print(f"  {made.note}", style="yellow")
    print_lines([f"  {manifest}", f"  {shlex.join(['vitcrypt', 'verify', str(out)])}"])
