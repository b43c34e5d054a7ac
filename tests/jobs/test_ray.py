"""Ray: sweeps whose values and errors come back, folders encrypted to the same bytes, and where the key is not."""

import functools
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from hydra.core.utils import JobStatus
from omegaconf import OmegaConf
from samples import class_folders
from secret_forms import everything_below, forms

from hydra_plugins.vitcrypt_pool import RayLauncher
from vitcrypt.encryption import Proposed
from vitcrypt.folders import encrypt_folder
from vitcrypt.jobs.ray import connected
from vitcrypt.keys import Key, open_key

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="pip install 'vitcrypt[ray]'")
ENDS = {
    "a": "give_back(0.25)",
    "b": "print('tried'); raise SystemExit('error: no')",
    "c": "Path('ports').write_text(Path('/proc/net/tcp').read_text() + Path('/proc/net/tcp6').read_text())",
}


def test_a_ray_that_does_not_answer_is_named(monkeypatch):
    import ray

    def refused(*_, **__):
        raise ConnectionError("Could not find any running Ray instance")

    monkeypatch.setattr(ray, "init", refused)
    with pytest.raises(ValueError, match="no Ray answers at auto; begin one there"), connected("auto"):
        pass


def listening(table):
    """Addresses of sockets that listen, as Linux writes them."""
    rows = [line.split() for line in table.splitlines()]
    return {row[1] for row in rows if row[3:4] == ["0A"]}


@pytest.fixture
def session(monkeypatch):
    """A folder for what Ray writes; its sockets need a short name."""
    folder = tempfile.mkdtemp(dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    for name in ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "")  # so that what is set is unset afterwards
        monkeypatch.delenv(name)
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's table of sockets")
def test_ray_runs_the_jobs_of_the_pool_on_loopback(tmp_path, monkeypatch, session):
    launcher = RayLauncher(address=None, cpus=1, gpus=None, resources={}, retries=1)
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}})
    launcher.setup(hydra_context=None, task_function=None, config=config)
    program = "import sys; from pathlib import Path; from vitcrypt.jobs.pool import give_back; "
    program += f"exec({ENDS!r}[sys.argv[1][-1]])"
    monkeypatch.setattr(launcher, "_program", lambda: [sys.executable, "-c", program])
    monkeypatch.chdir(tmp_path)
    before = listening(Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text())
    a, b, c = launcher.launch([["+what=a"], ["+what=b"], ["+what=c"]], initial_job_idx=0)
    assert (a.return_value, c.return_value) == (0.25, None)
    assert [job.status for job in (a, b, c)] == [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.COMPLETED]
    with pytest.raises(RuntimeError, match="1 of 3 jobs failed"):
        _ = b.return_value
    assert (tmp_path / "logs/1-_what=b.log").read_text().count("tried") == 2, "Ray repeated it once"
    opened = listening((tmp_path / "ports").read_text()) - before
    assert len(opened) >= 3
    assert all(address.partition(":")[0].endswith("0100007F") for address in opened), "127.0.0.1, reversed"


def test_a_job_that_finds_no_place_is_refused_before_it_waits_for_ever(monkeypatch):
    from contextlib import contextmanager
    from types import SimpleNamespace

    from vitcrypt.jobs import ray

    @contextmanager
    def small(address):
        yield SimpleNamespace(cluster_resources=lambda: {"CPU": 2.0})

    monkeypatch.setattr(ray, "connected", small)
    with pytest.raises(ValueError, match="a job needs 8 CPU, and Ray has 2"):
        RayLauncher(address=None, cpus=8, gpus=None, resources={}, retries=1).run([], print, print)


@pytest.mark.slow
def test_a_folder_on_ray_is_that_of_one_machine_and_ray_writes_the_key_nowhere(tmp_path, monkeypatch, session):
    class_folders(tmp_path / "photos", {"ant": 2048, "bee": 2048})
    key = Key.generate()
    key.write(tmp_path / "key", "correct horse battery staple")
    monkeypatch.setenv("VITCRYPT_PASSPHRASE", "correct horse battery staple")
    encrypt = functools.partial(encrypt_folder, tmp_path / "photos", scheme=Proposed(4), key=key, image_size=8)
    encrypt(out=tmp_path / "here")
    made = encrypt(out=tmp_path / "there", workers=2, on_ray=functools.partial(open_key, str(tmp_path / "key")))
    assert made.written == 4096
    assert {path.relative_to(tmp_path / "there"): data for path, data in everything_below(tmp_path / "there")} == {
        path.relative_to(tmp_path / "here"): data for path, data in everything_below(tmp_path / "here")
    }
    written = [data for path, data in everything_below(session)]
    assert sum(map(len, written)) > 10_000, "Ray's logs are there"
    secrets = forms(key._secret) | {"passphrase": b"correct horse battery staple"}
    assert {name for name, form in secrets.items() for data in written if form in data} == set()


def test_a_process_of_ray_refuses_another_key(tmp_path):
    from vitcrypt.folders import encrypting

    class_folders(tmp_path / "photos", {"ant": 2, "bee": 2})
    made = encrypt_folder(tmp_path / "photos", tmp_path / "out", Proposed(4), Key.test("test-0"), image_size=8)
    with pytest.raises(ValueError, match="the key file on this machine holds"):
        encrypting._RayWriter(tmp_path, made.manifest, functools.partial(open_key, "test-1"))
