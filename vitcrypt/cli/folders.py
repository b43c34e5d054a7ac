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
    from vitcrypt.data.store import Store
    from vitcrypt.folders import Made

app = typer.Typer()


def _local(text: str) -> Path:
    from vitcrypt.data.store import place_of  # loaded where a verb is called

    if isinstance(place := place_of(text), Path):
        return place
    raise ValueError(f"{place} is an address, and this works on folders of this machine")


Encrypted = Annotated[Path, typer.Argument(metavar="IN", parser=_local, help="A folder that vitcrypt encrypt made.")]
Out = Annotated[
    Path, typer.Argument(metavar="OUT", parser=_local, help="The new folder. Nothing in it is ever overwritten.")
]
ShardMib = Annotated[int | None, typer.Option(min=1, help="MiB in a tar file at most; default: 1024.")]
ADDRESS = "Or s3://BUCKET/FOLDER, gs://..."


@app.command()
def encrypt(
    source: Annotated[
        str, typer.Argument(metavar="IN", help=f"CLASS/* or {{train,test,val}}/CLASS/*: any images. {ADDRESS}")
    ],
    out: Annotated[
        str,
        typer.Argument(metavar="OUT", help=f"The new folder; nothing in it is ever overwritten. {ADDRESS}: tar files."),
    ],
    key_file: KeyFile,
    encryption: Annotated[SchemeName, typer.Option(help="The scheme.")] = "proposed",
    image_size: Annotated[int, typer.Option(min=1, help="Side that images are resized to first: the model's.")] = 224,
    block_size: Annotated[int | None, typer.Option(help="Side of a block; default: 16. A ViT's patch size.")] = None,
    channel_shuffle: Annotated[bool, typer.Option(help="Only for PE: also shuffle the channels of a pixel.")] = True,
    quality: Annotated[
        int | None, typer.Option(help="Of etc_jpeg, grayscale_etc: of JPEG, 1 to 100; default: 80.")
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another value of the scheme: sigma=0.5.")
    ] = None,
    interpolation: Annotated[Literal["bilinear", "bicubic"], typer.Option(help="How to resize.")] = "bilinear",
    key_scope: Annotated[Literal["shared", "per_image"], typer.Option(help="One key for all, or one each.")] = "shared",
    keep_names: Annotated[bool, typer.Option("--keep-names", help="Keep file names, which may tell a lot.")] = False,
    transparency: Annotated[Literal["white", "refuse"], typer.Option(help="Lay it on white, or refuse it.")] = "white",
    workers: Workers = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="This machine, or processes of Ray.")] = "local",
    shard_mib: ShardMib = None,
) -> None:
    """Encrypt a folder into PNG files (etc_jpeg, grayscale_etc: JPEG; features: .npy). Run it again to go on."""
    key = key_of(key_file)
    from vitcrypt.data.store import place_of
    from vitcrypt.folders import encrypt_folder
    from vitcrypt.keys.opening import opener

    scheme = scheme_of(encryption, block_size, channel_shuffle, quality, values or ())
    place = place_of(out)
    if shard_mib is not None and isinstance(place, Path):
        raise ValueError(f"--shard-mib is for tar files at an address, and {out} is a folder of images; pack it then")
    if key.test_name:
        console.print(f"{key.test_name} is a public test key: anyone can decrypt these images.", style="yellow")
    with progress("encrypting") as advance:
        made = encrypt_folder(
            _near(source),
            place,
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
            shard_mib=shard_mib or 1024,
        )
    _print_made(made, place)
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
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help=f"A folder that vitcrypt made, also of tar files. {ADDRESS.replace(', gs', ', https')}",
        ),
    ],
    workers: Workers = None,
) -> None:
    """Compare every file with the manifest. Needs no key; exit code 1 if a file is missing, changed or foreign."""
    from vitcrypt.data.received import contents
    from vitcrypt.data.store import place_of
    from vitcrypt.folders import verify_folder, verify_store

    place = place_of(folder)
    with progress("verifying") as advance:
        if isinstance(place, Path):
            manifest, wrong = verify_folder(place, workers, advance)
            left_out = contents(place, manifest).left_out
        else:
            manifest, wrong = verify_store(place, workers, advance)
            left_out = "" if place.lists else "not looked for: foreign files, which this address does not list"
    console.print(f"{folder}: {len(manifest.index):,} images, {len(manifest.classes)} classes; {manifest}")
    print_lines([f"  {line}" for line in (*wrong, left_out) if line])
    if wrong:
        raise ValueError(
            f"{folder}: {len(wrong)} files are missing, changed or foreign; get the first two again from the owner, "
            "and move foreign ones away"
        )
    console.print(Text.assemble(("complete", "bold green"), f", manifest {manifest.digest}"))


@app.command()
def pack(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help=f"A folder that vitcrypt encrypt made. {ADDRESS}")],
    out: Annotated[
        str, typer.Argument(metavar="OUT", help=f"OUT.npz: one file; else: a new folder of tar files. {ADDRESS}")
    ],
    shard_mib: ShardMib = None,
    workers: Workers = None,
) -> None:
    """Pack a folder of very many images into one .npz file, or into tar files. Needs no key."""
    from vitcrypt.data.store import place_of

    place, suffix = place_of(out), Path(out).suffix
    if suffix in (".tar", ".tgz", ".gz", ".zip"):
        raise ValueError(
            f"OUT is a new folder of tar files, or ends in .npz; got {out}; use {out.removesuffix(suffix)}"
        )
    if suffix == ".npz" and shard_mib is not None:
        raise ValueError(f"--shard-mib is for a folder of tar files, and {out} is one .npz file; leave it out")
    from vitcrypt.experiment.command_line import override
    from vitcrypt.folders import pack_npz, pack_shards

    before, size = isinstance(place, Path) and os.path.lexists(place), None
    with progress("packing") as advance:
        if suffix == ".npz":
            if not isinstance(place, Path):
                raise ValueError(f"{out}: at an address lie tar files; leave .npz out")
            manifest = pack_npz(_near(folder), place, workers, advance)
            size, then = place.stat().st_size, ["run", "data=npz", override("data.root", place), "encryption=received"]
        else:
            manifest, then = pack_shards(_near(folder), place, shard_mib or 1024, workers, advance), ["verify", out]
            size = sum(file.stat().st_size for file in place.iterdir()) if isinstance(place, Path) else None
    done = f" ({size / 2**20:,.1f} MiB)" if size is not None else ""
    done += ", finished before, nothing to do" if before else ""
    console.print(Text.assemble((f"{len(manifest.index):,} images in {out}", "bold green"), done))
    print_lines([f"  {manifest}", f"  {shlex.join(['vitcrypt', *then])}"])


def _near(text: str) -> Path:
    """Return a folder of this machine; what lies at an address is brought to one."""
    from vitcrypt.data.store import place_of

    if isinstance(place := place_of(text), Path):
        return place
    from vitcrypt.data.remote import images_near

    folder = images_near(place.address)
    console.print(f"{text} was brought to {folder}; remove that when you no longer need it.", style="yellow")
    return folder


def _print_made(made: Made, out: Path | Store) -> None:
    total, manifest = len(made.manifest.index), made.manifest
    how = f"{made.written:,} written now" if made.written else "finished before, nothing to do"
    if isinstance(out, Path):
        how = f" ({sum((out / name).stat().st_size for name in manifest.index) / 2**20:,.1f} MiB), {how}"
    else:
        how = f", {how}"
    console.print(Text.assemble((f"{total:,} images in {out}", "bold green"), how))
    if made.note:
        console.print(f"  {made.note}", style="yellow")
    print_lines([f"  {manifest}", f"  {shlex.join(['vitcrypt', 'verify', str(out)])}"])
