"""The wheel holds all that it needs and runs away from the checkout; the project keeps its own promises."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
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


@CHECKOUT
def test_malicious_and_unusable_releases_are_excluded():
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert any(r.startswith("lightning>=2.6.6") for r in requirements)
    assert any(r.startswith("hydra-core>=1.3.8") for r in requirements)


@CHECKOUT
def test_every_dependency_is_pinned_for_continuous_integration():
    pins = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [requirement for group in project["optional-dependencies"].values() for requirement in group]
    for requirement in [*project["dependencies"], *optional]:
        name = requirement.split(">")[0].split("=")[0].lower()
        assert name in pins or name == "vitcrypt[serve]", f"{name} is not in constraints.txt"


@CHECKOUT
def test_the_constraints_name_versions_and_no_address():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(line.startswith("#") or line.count("==") == 1 for line in lines)
    assert "://" not in "".join(lines)
