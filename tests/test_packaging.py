"""The wheel holds all that it needs and runs away from the checkout; the project keeps its own promises."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from program import SMALL, environment, results

ROOT = Path(__file__).parent.parent
CHECKOUT = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs the checkout")


def files(folder: Path) -> set[Path]:
    """What is in a folder, but for what Python compiled."""
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {path for path in found if path.suffix != ".pyc"}


@CHECKOUT
@pytest.mark.slow
def test_the_wheel_holds_every_file_and_runs_in_an_empty_folder(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    expected = {Path(package, file) for package in ("vitcrypt", "hydra_plugins") for file in files(ROOT / package)}
    expected |= {Path("vitcrypt", "conf", file) for file in files(ROOT / "conf")}
    expected |= {Path("vitcrypt", "docs", path.name) for path in (ROOT / "docs").glob("*.md")}
    assert {Path("vitcrypt/service/demo.html"), Path("vitcrypt/report/report.html.j2")} < expected
    assert {path for path in files(site) if not path.parts[0].endswith(".dist-info")} == expected
    where = "import vitcrypt.experiment.config as c, vitcrypt; print(vitcrypt.__file__, c.CONF)"
    for code in (["-c", where], ["-m", "vitcrypt.run", *SMALL]):
        done = subprocess.run(
            [sys.executable, *code], cwd=work, env=environment(PYTHONPATH=str(site)), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        if code[0] == "-c":
            assert done.stdout.count(str(site)) == 2, "the code and the configuration are those of the wheel"
    assert len(results(work)) == 1


def requirements() -> dict[str, dict[str, str]]:
    """What pyproject.toml declares: group -> distribution -> the versions that it allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    parsed = {group: map(Requirement, lines) for group, lines in groups.items()}
    return {
        group: {canonicalize_name(each.name): str(each.specifier) for each in found if each.name != "vitcrypt"}
        for group, found in parsed.items()
    }


installed_packages = cache(packages_distributions)


def third_party(*places: str) -> set[str]:
    """Distributions of what the modules below some folders import, inside functions too."""
    mine = {path.stem for place in ("tests", "experiments") for path in (ROOT / place).rglob("*")}
    mine |= {"vitcrypt", "hydra_plugins"}
    files = (path for place in places for path in (ROOT / place).rglob("*.py"))
    roots = set().union(*map(imported, files)) - sys.stdlib_module_names - mine
    return {canonicalize_name(installed_packages().get(root, [root])[0]) for root in roots}


@cache
def imported(path: Path) -> set[str]:
    """First names of all that a file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "importorskip":
            names += [named.value for named in node.args if isinstance(named, ast.Constant)]
    return {name.split(".")[0] for name in names}


LOADED_BY_OTHERS = {
    "httptools": "uvicorn",
    "uvloop": "uvicorn",
    "onnxscript": "torch.onnx",
    "tensorboard": "lightning",
    "tabulate": "pandas",
    "s3fs": "fsspec",
    "hydra-submitit-launcher": "hydra",
}
UNPINNED = ("loggers", "s3", "slurm", "ray", "search", "neighbours")
COMMANDS = {"build", "hatchling", "mypy", "pytest-cov", "pytest-timeout", "pytest-xdist", "ruff"}


@pytest.mark.slow
@CHECKOUT
def test_what_is_declared_is_imported_and_what_is_imported_is_declared():
    declared = requirements()
    used = set().union(*(declared[group] for group in ("", "serve", "fast", "loggers", "s3", "slurm", "ray")))
    assert third_party("vitcrypt", "hydra_plugins") == used - LOADED_BY_OTHERS.keys()
    rooms = [f"vitcrypt/{path.name}" for path in (ROOT / "vitcrypt").iterdir() if path.is_dir()]
    assert third_party(*(room for room in rooms if room != "vitcrypt/service")) == {
        *(declared[""].keys() - LOADED_BY_OTHERS.keys()),
        "isal",
        "mlflow",
        "ray",
        "submitit",
        "onnx",  # of encryption=features, which says what to install
        "onnxruntime",
    }
    everything = set().union(*declared.values())
    assert third_party("tests", "experiments/benchmarks", "experiments/campaign") <= everything
    assert set(declared["dev"]) - third_party("tests") == COMMANDS


@CHECKOUT
def test_malicious_and_unusable_releases_are_excluded():
    declared = requirements()[""]
    allowed = SpecifierSet(declared["lightning"])
    assert not any(map(allowed.contains, ("2.6.2", "2.6.3", "2.6.5")))
    assert not SpecifierSet(declared["hydra-core"]).contains("1.3.7")


@CHECKOUT
def test_every_dependency_has_one_pinned_version_for_continuous_integration_and_no_address():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert len(pins) == len(lines)
    assert "://" not in "".join(lines)
    installed = [allowed for group, allowed in requirements().items() if group not in UNPINNED]
    for name, allowed in (item for group in installed for item in group.items()):
        assert pins[name] in SpecifierSet(allowed), f"{name} {pins[name]} is not {allowed}"
