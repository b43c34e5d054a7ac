"""Runs on tar files end in the network of a run on their folder, wherever they are read from."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from commands import KEY
from program import environment, finish, results
from samples import class_folders
from tar_files import several

from vitcrypt.data.store import Store
from vitcrypt.encryption import Proposed
from vitcrypt.folders import encrypt_folder, pack_shards, verify_store

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("undrawn")]
RUN = ["encryption=received", "model=vit_micro", "model.image_size=16", "model.network.embed_dim=16", "trainer=cpu"]
RUN += ["model.network.depth=1", "model.network.num_heads=2", "model.batch_size=16", "trainer.max_epochs=4"]
FILES = ["data=shards", "data.source.in_memory_gib=0"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An encrypted folder, and three tar files of it."""
    root = tmp_path_factory.mktemp("made")
    for first, split in enumerate(("train", "test")):
        class_folders(root / "photos" / split, {"ant": 24, "bee": 24}, first=1000 * first)
    encrypt_folder(root / "photos", root / "enc", Proposed(4), KEY, image_size=16)
    several(root / "enc", root / "tars")
    return root


def trained(tmp_path, name):
    (result,) = results(tmp_path / name)
    return result["weights"]["trained_sha256"]


def test_tar_files_train_the_network_of_their_folder(made, tmp_path):
    finish(*RUN, "data=folder", f"data.root={made}/enc", "results=folder", folder=tmp_path)
    finish(*RUN, *FILES, f"data.root={made}/tars", "results=tars", folder=tmp_path)
    assert trained(tmp_path, "tars") == trained(tmp_path, "folder")


@pytest.fixture
def bucket(made, monkeypatch, tmp_path):
    """An S3 server on this machine that holds the tar files, and the sizes of what it answered to GET."""
    pytest.importorskip("s3fs", reason="needs s3fs")
    application = pytest.importorskip("moto.moto_server.werkzeug_app", reason="needs moto[server]")
    serving = pytest.importorskip("werkzeug.serving", reason="needs moto[server]")
    sent, app = [], application.DomainDispatcherApplication(application.create_backend_app)

    def counting(environ, start_response):
        for part in app(environ, start_response):
            sent.append(len(part) if environ["REQUEST_METHOD"] == "GET" else 0)
            yield part

    server = serving.make_server("127.0.0.1", 0, counting, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    variables = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_DEFAULT_REGION": "us-east-1"}
    variables |= {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "hunter2", "NO_PROXY": "127.0.0.1"}
    for name, value in (variables | {"XDG_CACHE_HOME": str(tmp_path / "cache")}).items():
        monkeypatch.setenv(name, value)
    put(made / "tars")
    yield sent
    server.shutdown()


def begun(arguments, folder):
    """Start a run as a process with a group of its own: its workers are forked, as they are for users."""
    return subprocess.Popen(
        [sys.executable, "-m", "vitcrypt.run", *arguments],
        cwd=folder,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def put(folder):
    import s3fs

    store = s3fs.S3FileSystem(skip_instance_cache=True)
    store.makedirs("bucket", exist_ok=True)  # what such a server holds belongs to the process
    for path in folder.iterdir():
        store.pipe(f"bucket/tars/{path.name}", path.read_bytes())


def test_a_bucket_trains_the_same_network_with_two_workers_or_two_processes_and_after_a_kill(made, bucket, tmp_path):
    size = sum(path.stat().st_size for path in (made / "tars").iterdir())
    printed = ""
    for devices, workers in ((1, 2), (2, 0)):
        many = [f"trainer.devices={devices}", *RUN]
        finish(*many, "data=folder", f"data.root={made}/enc", f"results=folder{devices}", folder=tmp_path)
        arguments = [*many, *FILES, "data.root=s3://bucket/tars", f"data.num_workers={workers}", f"results=s3{devices}"]
        with begun(arguments, tmp_path) as process:
            for line in process.stdout:
                printed += line
                if line.startswith("epoch 2/"):
                    os.killpg(process.pid, signal.SIGKILL)
        with begun(arguments, tmp_path) as process:
            printed += process.stdout.read()
        assert process.returncode == 0, printed
        assert trained(tmp_path, f"s3{devices}") == trained(tmp_path, f"folder{devices}")
    assert printed.count("(resuming)") == 2
    assert sum(bucket) <= 1.1 * size
    assert "hunter2" not in printed
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.suffix in (".json", ".yaml", ".csv")]
    assert not any("hunter2" in text or "somebody" in text for text in texts)


def test_a_bucket_takes_the_tar_files_of_this_machine_once(made, bucket, tmp_path):
    import s3fs

    pack_shards(made / "enc", tmp_path / "tars")
    wanted = {path.name: path.read_bytes() for path in (tmp_path / "tars").iterdir()}
    store = Store("s3://bucket/new/enc")
    assert encrypt_folder(made / "photos", store, Proposed(4), KEY, image_size=16).written == 96
    system = s3fs.S3FileSystem(skip_instance_cache=True)
    assert {name: system.cat(f"bucket/new/enc/{name}") for name in store.listed()} == wanted
    assert verify_store(store)[1] == []
    with pytest.raises(FileExistsError, match=r"manifest\.json exists"):
        store.create("manifest.json", tmp_path / "tars" / "000000.tar")
    assert pack_shards(made / "enc", store).digest == verify_store(store)[0].digest
    assert {name: system.cat(f"bucket/new/enc/{name}") for name in store.listed()} == wanted
