"""CIFAR: local folders, archives, the cache, and mirrors."""

import hashlib
import http.server
import io
import os
import pickle
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import noise
from torchvision import datasets

from vitcrypt.data import cifar as cifar_module
from vitcrypt.data import (
    cifar10,
    cifar100,
)

# CIFAR


CIFARS = {"cifar10": (cifar10, datasets.CIFAR10), "cifar100": (cifar100, datasets.CIFAR100)}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keep every download below tmp_path, and ask no proxy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("VITCRYPT_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "xdg" / "vitcrypt"


@pytest.fixture
def small(cache, monkeypatch):
    """Put a CIFAR-10 of 40 images, in the original format, in the place of the large one; return its archive."""
    files, images = {}, {}
    for seed, (name, split) in enumerate(
        [("data_batch_1", "train"), ("data_batch_2", "train"), ("test_batch", "test")]
    ):
        data, labels = noise(20 if split == "test" else 10, 3072, seed=seed), list(range(10)) * (2 if seed == 2 else 1)
        files[name] = pickle.dumps({"data": data, "labels": labels}, protocol=2)
        images.setdefault(split, []).append(data.reshape(-1, 3, 32, 32))
    files["batches.meta"] = pickle.dumps({"label_names": [f"class {i}" for i in range(10)]}, protocol=2)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"small-batches-py/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))

    def md5(content):
        return hashlib.md5(content).hexdigest()

    class Small(datasets.CIFAR10):
        base_folder, filename, tgz_md5 = "small-batches-py", "small-python.tar.gz", md5(archive.getvalue())
        train_list = [[name, md5(files[name])] for name in ("data_batch_1", "data_batch_2")]  # noqa: RUF012
        test_list = [["test_batch", md5(files["test_batch"])]]  # noqa: RUF012
        meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(files["batches.meta"])}  # noqa: RUF012
        content = archive.getvalue()
        pixels = {split: np.concatenate(parts) for split, parts in images.items()}  # noqa: RUF012

    monkeypatch.setattr(datasets, "CIFAR10", Small)
    monkeypatch.setitem(cifar_module.MIRRORS, "cifar10", [])
    return Small


def is_small(splits, small):
    """Return whether these are the 20 training and 20 test images of the small CIFAR-10."""
    return (
        np.array_equal(splits.train.images.numpy(), small.pixels["train"])
        and np.array_equal(splits.test.images.numpy(), small.pixels["test"])
        and splits.train.labels.tolist() == splits.test.labels.tolist() == list(range(10)) * 2
        and splits.classes == [f"class {i}" for i in range(10)]
    )


@contextmanager
def serving(answers):
    """Serve {"/path": bytes, or a function of the handler} and yield the address, and the paths asked for so far."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            answer = answers.get(self.path, lambda handler: handler.send_error(404))
            if callable(answer):
                answer(self)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads, block_on_close = True, False

        def handle_error(self, request, client_address):
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def mirrors(monkeypatch, *urls):
    monkeypatch.setitem(cifar_module.MIRRORS, "cifar10", list(urls))


@pytest.mark.parametrize("name", CIFARS)
def test_an_archive_that_is_not_the_original_is_refused_with_its_md5(tmp_path, cache, name):
    load, dataset = CIFARS[name]
    (tmp_path / dataset.filename).write_bytes(b"half of an archive")
    with pytest.raises(ValueError, match=rf"{dataset.filename} is not the original .*MD5 is not {dataset.tgz_md5}"):
        load(str(tmp_path), download=False)


@pytest.mark.parametrize("name", CIFARS)
def test_a_damaged_folder_is_refused_and_never_read(tmp_path, cache, name):
    load, dataset = CIFARS[name]
    base = tmp_path / dataset.base_folder
    base.mkdir()

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "boom"),)

    for file, _ in [*dataset.train_list, *dataset.test_list, [dataset.meta["filename"], ""]]:
        (base / file).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match=rf"{dataset.base_folder} is not the original {name}: .*remove the folder"):
        load(str(tmp_path))
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("name", CIFARS)
def test_where_it_is_nowhere_and_may_not_be_fetched_the_message_names_every_way(tmp_path, cache, name):
    load, dataset = CIFARS[name]
    with pytest.raises(FileNotFoundError) as caught:
        load(str(tmp_path), download=False)
    ways = [dataset.filename, dataset.tgz_md5, dataset.base_folder, str(cache), "VITCRYPT_DATA=", "data.root=FOLDER"]
    for way in [*ways, "download=false", "data=folder", "data=npz", "data=digits"]:
        assert way in str(caught.value)
    assert not cache.exists()


@pytest.mark.parametrize("name", CIFARS)
def test_mirrors_that_cannot_be_reached_are_all_named_and_leave_nothing_behind(monkeypatch, cache, name):
    urls = [f"http://127.0.0.1:9/{part}.tar.gz" for part in ("first", "second", "third")]
    monkeypatch.setitem(cifar_module.MIRRORS, name, urls)
    began = time.perf_counter()
    with pytest.raises(FileNotFoundError) as caught:
        CIFARS[name][0]()
    assert time.perf_counter() - began < 5
    for url in [*urls, "data=digits"]:
        assert url in str(caught.value)
    assert list(cache.iterdir()) == []


def test_the_mirrors_serve_the_archives_that_torchvision_knows_and_the_home_server_comes_last():
    for name, (_, dataset) in CIFARS.items():
        urls = cifar_module.MIRRORS[name]
        assert urls[-1] == dataset.url
        assert all(url.endswith("/" + dataset.filename) for url in urls)
        assert len(set(urls)) == len(urls) >= 2


def test_an_archive_is_fetched_checked_unpacked_and_found_again(monkeypatch, cache, small):
    with serving({"/a.tar.gz": small.content}) as (address, asked):
        mirrors(monkeypatch, f"{address}/a.tar.gz")
        assert is_small(cifar10(), small)
        assert is_small(cifar10(), small)
    assert asked == ["/a.tar.gz"]
    assert is_small(cifar10(download=False), small)
    assert sorted(path.name for path in cache.iterdir()) == [small.base_folder, small.filename]
    assert (cache / small.filename).read_bytes() == small.content


def test_cifar_indices_are_unique_over_training_and_test_images(cache, small, tmp_path):
    (tmp_path / small.filename).write_bytes(small.content)
    splits = cifar10(str(tmp_path))
    assert torch.cat([splits.train.index, splits.test.index]).unique().numel() == 40


@pytest.mark.parametrize("given", ["root", "root that is the folder itself", "VITCRYPT_DATA", "cache"])
@pytest.mark.parametrize("packed", [True, False])
def test_what_is_on_this_machine_is_used_without_asking_any_mirror(tmp_path, monkeypatch, cache, small, given, packed):
    place = cache if given == "cache" else tmp_path / "data"
    place.mkdir(parents=True)
    root = place / small.base_folder if "itself" in given else place
    if packed:
        (place / small.filename).write_bytes(small.content)
    else:
        with tarfile.open(fileobj=io.BytesIO(small.content)) as tar:
            tar.extractall(place, filter="data")
    if given == "VITCRYPT_DATA":
        monkeypatch.setenv("VITCRYPT_DATA", str(root))
    with serving({}) as (address, asked):
        mirrors(monkeypatch, f"{address}/a.tar.gz")
        assert is_small(cifar10(str(root) if given.startswith("root") else None), small)
    assert asked == []


def wrong_bytes(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"<html>please log in</html>")


def cut_off(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.wfile.write(b"x" * 1000)


def silent(handler):
    time.sleep(1)


def stalling(handler):
    cut_off(handler)
    handler.wfile.flush()
    time.sleep(1)


def no_http(handler):
    handler.wfile.write(b"220 mail.example.org ESMTP\r\n")


def broken_chunks(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnot a length\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        wrong_bytes,
        cut_off,
        silent,
        stalling,
        lambda handler: handler.send_error(500),
        lambda handler: handler.send_error(404),
        lambda handler: handler.connection.close(),
        no_http,
        broken_chunks,
    ],
    ids=["wrong bytes", "cut off", "silent", "stalling", "500", "404", "hangs up", "no HTTP", "broken chunks"],
)
def test_where_the_first_mirror_fails_the_second_is_used(monkeypatch, cache, small, answer):
    monkeypatch.setattr(cifar_module, "CONNECT_SECONDS", 0.3)
    with serving({"/bad.tar.gz": answer, "/good.tar.gz": small.content}) as (address, asked):
        mirrors(monkeypatch, f"{address}/bad.tar.gz", f"{address}/good.tar.gz")
        assert is_small(cifar10(), small)
    assert sorted(asked) == ["/bad.tar.gz", "/good.tar.gz"]
    assert (cache / small.filename).read_bytes() == small.content


def test_wrong_bytes_never_become_the_archive(monkeypatch, cache, small):
    with serving({"/a.tar.gz": small.content[:-1], "/b.tar.gz": small.content + b"x"}) as (address, _):
        mirrors(monkeypatch, f"{address}/a.tar.gz", f"{address}/b.tar.gz")
        with pytest.raises(FileNotFoundError) as caught:
            cifar10()
    for name in ("a", "b"):
        assert f"{address}/{name}.tar.gz: wrong checksum" in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_download_that_is_interrupted_never_becomes_the_archive_and_can_be_repeated(monkeypatch, cache, small):
    def interrupted(reader, file):
        file.write(reader.read(100))
        raise KeyboardInterrupt

    with serving({"/a.tar.gz": small.content}) as (address, _):
        mirrors(monkeypatch, f"{address}/a.tar.gz")
        with monkeypatch.context() as patch:
            patch.setattr(cifar_module, "copyfileobj", interrupted)
            with pytest.raises(KeyboardInterrupt):
                cifar10()
        assert list(cache.iterdir()) == []
        assert is_small(cifar10(), small)
    assert sorted(path.name for path in cache.iterdir()) == [small.base_folder, small.filename]


def test_a_disk_that_is_full_is_said_and_leaves_no_archive(monkeypatch, cache, small):
    def full(reader, file):
        file.write(b"some")
        raise OSError(28, "No space left on device")

    with serving({"/a.tar.gz": small.content}) as (address, _):
        mirrors(monkeypatch, f"{address}/a.tar.gz")
        monkeypatch.setattr(cifar_module, "copyfileobj", full)
        with pytest.raises(FileNotFoundError, match="No space left"):
            cifar10()
    assert list(cache.iterdir()) == []


def test_two_that_unpack_at_once_both_get_all_of_it(monkeypatch, cache, small):
    cache.mkdir(parents=True)
    (cache / small.filename).write_bytes(small.content)
    both, unpack = threading.Barrier(2), cifar_module.extract_archive

    def at_once(archive, place):
        both.wait(10)
        unpack(archive, place)
        both.wait(10)

    monkeypatch.setattr(cifar_module, "extract_archive", at_once)
    with ThreadPoolExecutor(2) as pool:
        assert all(is_small(splits, small) for splits in pool.map(lambda _: cifar10(), range(2)))
    assert sorted(path.name for path in cache.iterdir()) == [small.base_folder, small.filename]


def test_unpacking_that_breaks_off_leaves_no_half_folder(monkeypatch, cache, small):
    cache.mkdir(parents=True)
    (cache / small.filename).write_bytes(small.content)

    def full(archive, place):
        (Path(place) / small.base_folder).mkdir()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cifar_module, "extract_archive", full)
        with pytest.raises(OSError, match=r"No space left on device.*XDG_CACHE_HOME=FOLDER"):
            cifar10()
    assert [path.name for path in cache.iterdir()] == [small.filename]
    assert is_small(cifar10(), small)


@pytest.mark.parametrize("packed", [True, False], ids=["an archive is there", "it would be fetched"])
def test_a_cache_that_cannot_be_written_is_said(tmp_path, cache, small, packed):
    cache.parent.write_text("a file in the place of the folder")
    root = tmp_path / "data"
    root.mkdir()
    if packed:
        (root / small.filename).write_bytes(small.content)
    with pytest.raises(OSError, match=f"{cache} cannot be written .*XDG_CACHE_HOME=FOLDER"):
        cifar10(str(root))
