"""Make the claims of `experiments/claims`: the measured ones from the records, the published ones from `published.py`.

    python experiments/claims.py            rewrite them; claims of others stay
    python experiments/claims.py --check    only say which are not what the records and tables give

Whoever commits records runs it; a new folder of records gets a line below, with the commit that made them.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from published import SOURCES, published

from vitcrypt.benchmark.claim import FORMAT, Claim, Measured, Published
from vitcrypt.benchmark.claims import read_claims
from vitcrypt.benchmark.measured import claims_of
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.report.results import read_results

ROOT = Path(__file__).parents[1]
CLAIMS = ROOT / "experiments" / "claims"
EPYC = "AMD EPYC, 2 cores"
FAMILIES = {
    "plain": "none",
    **dict.fromkeys(("pe",), "pixel-wise"),
    **dict.fromkeys(("le", "ele", "etc", "etc_jpeg", "grayscale_etc", "proposed"), "block-wise"),
    **dict.fromkeys(("orthogonal", "horio"), "linear"),
    **dict.fromkeys(("neuracrypt", "syfer", "i2p", "gan_transformation"), "neural"),
    **dict.fromkeys(("instahide", "datamix", "scramblemix"), "mixing"),
    **dict.fromkeys(("pevit_rs",), "patch order"),
    **dict.fromkeys(("noise", "pixelise"), "baseline"),
}


class Records(NamedTuple):
    """A folder of records, the commit with which they were made, and on what."""

    folder: str
    commit: str
    hardware: str = EPYC


RECORDS = (
    Records("table1_small", "6243a41"),
    Records("break_curve", "70d642f"),
    Records("fig4", "cd1b056"),
    Records("linkage", "be36f06"),
    Records("paper_size", "e45c50a"),
    Records("orbit", "6fe94c4"),
    Records("benchmark", "2bf8b09"),
    Records("benchmark_each", "eb8490f"),
    Records("i2p", "1257882"),
)
CONFIGURATIONS = {
    ("break_curve", "jigsaw"): "robustness_{}",
    ("break_curve", "propagation"): "robustness_pe",
    ("break_curve", "statistics"): "robustness",
    ("fig4", "chosen_plaintext"): "fig4",
    ("fig4", "fr"): "fig4",
    ("fig4", "gan"): "fig4_gan",
    ("fig4", "itn"): "fig4_itn",
    ("fig4", "jigsaw"): "robustness_{}",
    ("fig4", "known_plaintext"): "fig4",
    ("fig4", "statistics"): "robustness",
    ("linkage", "link"): "linkage",
    **{("paper_size", attack): "paper_size" for attack in ("isometry", "jigsaw", "linear_map", "statistics")},
}
"""By folder of records and attack, the file in `experiments/` that runs it; {} is the scheme."""
FEWER = ("digits", "photographs")
"""Data with fewer public images than these files ask for."""
OTHERWISE = {
    ("benchmark", "ele"): "1257882",
    ("benchmark", "i2p"): "081c76d",
    ("benchmark", "link", "pixelise"): "081c76d",
    ("break_curve", "digits"): "2bfe569",
    ("break_curve", "jigsaw", "proposed", 32): "5d1d791",
    ("break_curve", "photographs"): "2bfe569",
    ("break_curve", "statistics"): "cd1b056",
    ("fig4", "gan", "proposed", 224): "2bfe569",
    ("fig4", "itn", "pe"): "2bfe569",
    ("fig4", "itn", "proposed"): "ae7b4c3",
    ("fig4", "itn", "proposed", 224): "2bfe569",
    ("fig4", "jigsaw", "etc"): "6c8a2f5",
    ("i2p", "itn"): "34b35cb",
    ("orbit", "itn"): "8ad23f4",
    ("orbit", "itn", "proposed"): "5d1d791",
}
"""By folder of records and attack, scheme, size or data, the commit of those that another one made than the rest."""


def command(folder: str, group: list[Any]) -> str:
    """Return the command that makes the results of one claim."""
    config = group[0].config
    names, seeds = config.names, sorted({each.config.seed for each in group})
    keys = sorted({each.key.public_test_key for each in group} - {None})
    said = {"seed": ",".join(map(str, seeds))}
    if folder.startswith("benchmark"):
        start, said = f"vitcrypt benchmark {names.encryption}", _weights(config)
    elif folder == "table1_small":
        start = f"vitcrypt run --config-dir experiments --config-name {folder}"
        said |= {"row": f"{names.encryption}_{names.model}", "key": ",".join(keys) or "test-0"}
    elif folder == "orbit" and group[0].kind != "attack":
        start = f"vitcrypt run --config-dir experiments --config-name {folder}"
        said |= {"encryption": names.encryption, "model": names.model}
    elif folder == "i2p" and group[0].kind != "attack":
        start = "vitcrypt run --config-dir experiments --config-name field_small"
        said |= {"field": names.encryption, "model": names.model, **_weights(config)}
    elif folder == "i2p":
        start = "vitcrypt attack"
        said |= {"encryption": names.encryption, **_weights(config), **_attacked(config)}
    elif folder == "orbit":
        start = "vitcrypt attack"
        said |= {"encryption": names.encryption, "attack": names.attack, "key_scope": config.key_scope}
        said |= _attacked(config)
    else:
        file = CONFIGURATIONS[folder, names.attack].format(names.encryption)
        start = f"vitcrypt attack --config-dir experiments --config-name {file}"
        said |= {"encryption": names.encryption, "attack": names.attack}
        said |= {"image_size": str(config.image_size), "block_size": str(config.block_size)}
        said |= {"attack.observation.ciphertexts": str(config.attack.observation.ciphertexts)}
        if names.attack == "link":
            said |= {"attack.observation.gallery_copies": config.attack.observation.gallery_copies}
        if names.attack == "linear_map":
            said |= {"attack.observation.known": str(config.attack.observation.known)}
        if config.block_size == 1:
            del said["block_size"]
        if names.attack in ("gan", "itn") and config.image_size == 224:
            said |= {names.attack: "cpu_224"}
        if folder == "break_curve" and names.data in FEWER:
            said |= {"attack.observation.public_images": str(config.attack.observation.public_images)}
    images = {"data": "npz", "data.root": f"{names.data}.npz", "names.data": names.data}
    said |= {"data": "digits"} if names.data == "digits" else images
    return f"{start} {' '.join(f'{name}={value}' for name, value in said.items())}"


def _weights(config: Any) -> dict[str, str]:
    if config.encryption.get("weights") is None:
        return {}
    return {"encryption.block_size": str(config.block_size), "encryption.weights": config.encryption["weights"]}


def _attacked(config: Any) -> dict[str, str]:
    """Return what an attack differs in from its file in `conf/`."""
    said = {"attack": config.names.attack, "attack.observation.ciphertexts": str(config.attack.observation.ciphertexts)}
    if config.names.attack == "itn":
        sizes = ("network", "width", "levels", "epochs")
        said |= {f"attack.method.{name}": str(config.attack.method[name]) for name in sizes}
        said |= {"attack.observation.public_images": str(config.attack.observation.public_images)}
    if config.names.attack == "link":
        said |= {"attack.observation.gallery_copies": config.attack.observation.gallery_copies}
    return said


def measured() -> Iterator[Claim]:
    """Yield what the records give; a key space, which is the same in all of them, once."""
    seen = set()
    for folder, commit, hardware in RECORDS:
        results, left_out = read_results(ROOT / "experiments" / "records" / folder)
        if left_out:
            sys.exit("damaged records:\n" + "\n".join(left_out))

        def said(group: list[Any], start: tuple[str, str, str] = (folder, commit, hardware)) -> Measured:
            place = f"experiments/records/{start[0]}"
            line = command(start[0], group)
            names = group[0].config.names
            size = group[0].config.image_size if group[0].kind == "attack" else None
            of = (start[0], getattr(names, "attack", ""), names.encryption, size)
            ways = ((start[0], names.data), of, of[:3], of[:2], of[:3:2])
            commit = next((OTHERWISE[each] for each in ways if each in OTHERWISE), start[1])
            return Measured(by="measured", commit=commit, hardware=start[2], command=line, records=place)

        for claim in claims_of(results, FAMILIES, said):
            # what an experiment of its own says with more seeds and keys goes before a single run, or a card
            if claim.path not in seen:
                yield claim
            seen.add(claim.path)


def claims() -> list[Claim]:
    """Return all that the records and the tables give."""
    found = list(measured())
    for part in published():
        name, options = part["scheme"]
        scheme = {"name": name, "family": FAMILIES[name], "values": options}
        found.append(Claim.model_validate({"format": FORMAT, **part, "scheme": scheme}))
    return found


def ours(claim: Claim) -> bool:
    """Whether this program makes a claim, and may take it away."""
    if isinstance(claim.said, Published):
        return claim.said.source in SOURCES
    return claim.said.records in [f"experiments/records/{each.folder}" for each in RECORDS]


def main() -> None:
    """Rewrite or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 where a claim is another")
    check = parser.parse_args().check
    found = claims()
    made = {CLAIMS / claim.path: claim.text() for claim in found}
    if len(made) < len(found):
        sys.exit("two claims are about the same: records of one folder have to differ in what a claim says")
    gone = [CLAIMS / claim.path for claim in read_claims(CLAIMS)[0] if ours(claim) and CLAIMS / claim.path not in made]
    differing = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    for path in differing * (not check):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(made[path].encode())
    for path in gone * (not check):
        path.unlink()
    for word, paths in (("not as the records and tables give it" if check else "written", differing), ("gone", gone)):
        print("".join(f"{word}: {path.relative_to(ROOT)}\n" for path in paths), end="")
    print(f"{len(made)} claims in {CLAIMS.relative_to(ROOT)}")
    sys.exit(bool(differing or gone) and check)


if __name__ == "__main__":
    main()
