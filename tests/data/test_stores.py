"""Stores that misbehave: what they answer is said, what may pass is asked for again, and nothing half is taken."""

import hashlib
import re
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import fsspec
import pytest
from commands import KEY
from samples import class_folders, every, some
from tar_files import several

from vitcrypt.data import remote, shards, store
from vitcrypt.data.store import Store
from vitcrypt.encryption import Proposed
from vitcrypt.folders import encrypt_folder, pack_shards, upload, verify_folder, verify_store

BODY = b"<html>hunter2 and the whole page</html>"
PACKED = r"000001\.tar"


class Bucket(ThreadingHTTPServer):
    """A web server, and as much of S3 as is asked for: GET, HEAD, PUT and lists. `faults` are met before."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.faults, self.asked, self.released = {}, [], [], threading.Event()

    def fail(self, what, name, method="GET|HEAD", times=10**6):
        """Do this at the next requests of a name."""
        self.faults.append([what, re.compile(f"({method}) .*{name}"), times])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log_message = property(lambda _: lambda *_: None)

    def answer(self, code, data=b"", size=None, **headers):
        self.send_response(code)
        for name, value in {"Content-Length": len(data) if size is None else size, **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.close_connection = code >= 400 or (size is not None and self.command != "HEAD")

    def fault(self):
        for fault in self.server.faults:
            what, where, times = fault
            if times and where.search(f"{self.command} {self.path}"):
                fault[2] -= 1
                return what
        return None

    def do_GET(self):
        self.server.asked.append(f"{self.command} {self.path}")
        path, what = self.path.partition("?")[0], self.fault()
        if what == 401 and self.headers["Authorization"]:
            what = None
        if isinstance(what, int):
            return self.answer(what, BODY)
        if what == "hangs":
            self.server.released.wait(20)
        if "list-type=2" in self.path:
            start = unquote(re.search("prefix=([^&]*)", self.path)[1])
            keys = [key.removeprefix("/bucket/") for key in sorted(self.server.files)]
            keys = [key for key in keys if key.startswith(start)]
            found = "".join(
                f"<Contents><Key>{key}</Key><Size>{len(self.server.files[f'/bucket/{key}'])}</Size>"
                f"<ETag>{hashlib.md5(self.server.files[f'/bucket/{key}']).hexdigest()}</ETag>"
                f"<LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
                for key in keys
            )
            return self.answer(200, f"<ListBucketResult>{found}</ListBucketResult>".encode())
        if (data := self.server.files.get(path)) is None:
            return self.answer(404, BODY)
        if callable(what):
            self.server.files[path] = what(data)
        told = {"ETag": f'"{hashlib.md5(data).hexdigest()}"', "Last_Modified": formatdate(0, usegmt=True)}
        if self.command == "HEAD":
            return self.answer(200, b"", len(data), **told)
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        part = data[first : last + 1]
        told["Content_Range"] = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
        return self.answer(206, part[: len(part) // 2] if what == "breaks off" else part, len(part), **told)

    do_HEAD = do_GET  # noqa: N815

    def do_PUT(self):
        self.server.asked.append(f"{self.command} {self.path}")
        data, path = self.rfile.read(int(self.headers["Content-Length"])), self.path.partition("?")[0]
        if isinstance(what := self.fault(), int):
            return self.answer(what, BODY)
        if self.headers["If-None-Match"] == "*" and path in self.server.files:
            return self.answer(412, b"<Error><Code>PreconditionFailed</Code><Message>hunter2</Message></Error>")
        self.server.files[path] = data[: len(data) // 2] if what == "breaks off" else data
        return self.answer(200)

    def do_POST(self):
        for key in re.findall(r"<Key>(.*?)</Key>", self.rfile.read(int(self.headers["Content-Length"])).decode()):
            self.server.files.pop(f"/bucket/{key}", None)
        return self.answer(200, b"<DeleteResult></DeleteResult>")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Photos, an encrypted folder of them, and three tar files."""
    root = tmp_path_factory.mktemp("made")
    class_folders(root / "photos", {"ant": 7, "bee": 5})
    encrypt_folder(root / "photos", root / "enc", Proposed(4), KEY, image_size=16)
    several(root / "enc", root / "tars")
    return root


@pytest.fixture
def bucket(made, tmp_path, monkeypatch):
    """A store on this machine with the tar files at /bucket/tars, for http:// and s3://."""
    pytest.importorskip("aiohttp", reason="needs aiohttp")
    with Bucket() as server:
        for path in (made / "tars").iterdir():
            server.files[f"/bucket/tars/{path.name}"] = path.read_bytes()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        variables = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "NO_PROXY": "127.0.0.1"}
        variables |= {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_MAX_ATTEMPTS": "1"}
        variables |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}
        for name, value in (variables | {"XDG_CACHE_HOME": str(tmp_path / "cache")}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(store, "WAITS", (0.0,))
        monkeypatch.setattr(store, "SILENT", 0.2)
        yield server
        server.released.set()
        server.shutdown()


@pytest.fixture(params=["http", "s3"])
def address(request, bucket, monkeypatch):
    """Where the tar files are."""
    if request.param == "http":
        return f"http://127.0.0.1:{bucket.server_port}/bucket/tars"
    s3fs = pytest.importorskip("s3fs", reason="needs s3fs")
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 2)
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 0.2}})
    return "s3://bucket/tars"


def read_by_all(address):
    """Yield what reads an address: a run, and `vitcrypt verify`."""
    yield lambda: shards(address)
    yield lambda: verify_store(Store(address))


FAULTS = {
    500: "the store answered 500 Internal Server Error; .*repeat the command",
    503: "the store answered 503 Service Unavailable; .*repeat the command",
    403: "the store answered 403 Forbidden; give credentials",
    400: "the store answered 400 Bad Request; see that the address",
    "breaks off": "the answer broke off; .*repeat the command",
    "hangs": "the store did not answer in time; .*repeat the command",
}


@pytest.mark.parametrize("fault", [pytest.param(one, marks=[pytest.mark.slow] * (one == "hangs")) for one in FAULTS])
def test_what_a_store_answers_is_said_with_the_file_and_what_to_do(address, bucket, made, fault):
    of = "GET" if fault == "breaks off" else "GET|HEAD"
    for name in (r"manifest\.json", PACKED):
        bucket.faults.clear()
        bucket.fail(fault, name, of)
        for read in read_by_all(address):
            with pytest.raises(ConnectionError, match=f"cannot read {address}/{name}: {FAULTS[fault]}") as refused:
                read()
            assert "hunter2" not in str(refused.value)
            assert len(str(refused.value)) < 400
    bucket.faults.clear()
    bucket.released.set()
    assert verify_store(Store(address))[1] == []
    assert all(map(every, some(shards(address))))


@pytest.mark.parametrize("fault", [503, "breaks off"])
def test_what_passes_is_asked_for_again(address, bucket, made, fault, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    bucket.fail(fault, r"000001\.tar", "GET", times=1)
    assert verify_store(Store(address)) == verify_folder(made / "tars")
    bucket.fail(fault, r"000002\.tar", "GET", times=1)
    for one, other in zip(some(shards(str(made / "tars"))), some(shards(address)), strict=True):
        assert all((value == every(other)[name]).all() for name, value in every(one).items())


@pytest.mark.parametrize("address", ["http"], indirect=True)
def test_a_web_server_is_given_the_password_of_netrc(address, bucket, tmp_path, monkeypatch):
    bucket.fail(401, ".")
    with pytest.raises(ConnectionError, match="401 Unauthorized; give credentials"):
        verify_store(Store(address))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password hunter2")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert verify_store(Store(address))[1] == []


def test_a_file_that_is_missing_is_no_error_of_the_store(address, bucket):
    bucket.files.pop("/bucket/tars/000002.tar")
    with pytest.raises(ValueError, match="images in 2 tar files, and its manifest has 12"):
        shards(address)
    assert any("are in no shard" in line for line in verify_store(Store(address))[1])
    bucket.files.clear()
    for read in read_by_all(address):
        with pytest.raises(FileNotFoundError, match=r"holds no manifest\.json: name the place"):
            read()


CHANGES = {
    "shorter": lambda data: data[:-512],
    "longer": lambda data: data + bytes(512),
    "other": lambda data: data[::-1],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("large", [False, True], ids=["one request", "several"])
def test_a_file_that_changes_while_it_is_read_is_never_kept(address, bucket, change, large, monkeypatch):
    if large:
        for name in ("BUFFER", "PIECE"):
            monkeypatch.setattr(store, name, 1024)
    elif change == "other":
        pytest.skip("what comes in one answer is one state")
    bucket.fail(CHANGES[change], PACKED, "GET" if large else "HEAD", times=1)
    with pytest.raises(ConnectionError, match=f"{PACKED} (changed while it was read|ends 512 bytes too early)"):
        shards(address)
    assert not [path for path in remote.cache().rglob("*") if "000001" in path.name]


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Tar files of some three images, and a key file."""
    monkeypatch.setattr(upload, "room_in", lambda _: 6000)
    KEY.write(tmp_path / "key.txt")
    return "--key-file", tmp_path / "key.txt", "--image-size", 16, "--block-size", 4


@pytest.mark.parametrize("address", ["s3"], indirect=True)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (503, "cannot write s3://bucket/new/{}: the store answered 503 Service Unavailable; see"),
        (403, "cannot write s3://bucket/new/{}: the store answered 403 Forbidden; give credentials"),
        (501, "cannot write s3://bucket/new/{}: the store answered 501 Not Implemented; see"),
        ("breaks off", "s3://bucket/new/{} has 5,120 bytes, and 10,240 were written; remove it"),
    ],
    ids=[503, 403, 501, "half"],
)
def test_writing_goes_on_after_any_answer_and_ends_in_the_files_of_this_machine(
    address, bucket, made, small, vitcrypt, fault, words
):
    for path in (made / "photos").rglob("*.png"):
        bucket.files[f"/bucket/photos/{path.relative_to(made / 'photos')}"] = path.read_bytes()
    bucket.fail(fault, r"new/000001\.tar", "PUT")
    encrypt = ("encrypt", "s3://bucket/photos", "s3://bucket/new", *small)
    code, printed = vitcrypt(*encrypt)
    assert code == 1
    assert words.format("000001.tar") in " ".join(printed.split())
    assert not any(word in printed for word in ("hunter2", "Traceback", "<html>"))
    assert "/bucket/new/manifest.json" not in bucket.files
    bucket.faults.clear()
    if fault == "breaks off":
        code, printed = vitcrypt(*encrypt)
        assert "s3://bucket/new/000001.tar is not the one of its note" in " ".join(printed.split())
        del bucket.files["/bucket/new/000001.tar"]
    code, printed = vitcrypt(*encrypt)
    assert code == 0, printed
    pack_shards(made / "enc", Store("s3://bucket/packed"))
    files = [
        {path.removeprefix(start): data for path, data in bucket.files.items() if path.startswith(start)}
        for start in ("/bucket/new/", "/bucket/packed/")
    ]
    assert files[0] == files[1]
    assert len(files[0]) > 3


@pytest.mark.parametrize("address", ["s3"], indirect=True)
def test_a_photo_that_does_not_come_is_named_and_nothing_is_made(address, bucket, made, small, vitcrypt, tmp_path):
    photos = sorted((made / "photos").rglob("*.png"))
    bucket.files |= {f"/bucket/photos/{path.relative_to(made / 'photos')}": path.read_bytes() for path in photos}
    bucket.fail("breaks off", "photos/bee/.*png", "GET")
    code, printed = vitcrypt("encrypt", "s3://bucket/photos", tmp_path / "out", *small)
    assert code == 1
    assert "cannot read s3://bucket/photos/bee/" in " ".join(printed.split())
    assert "the answer broke off" in " ".join(printed.split())
    assert not (tmp_path / "out").exists()
    assert not [path for path in remote.cache().rglob("*.png") if path.parent.name == "bee"]
    bucket.faults.clear()
    first = remote.images_near("s3://bucket/photos")
    name = f"/bucket/photos/{photos[0].relative_to(made / 'photos')}"
    bucket.files[name] = bucket.files[name][::-1]
    assert (remote.images_near("s3://bucket/photos") / name[15:]).read_bytes() != (first / name[15:]).read_bytes()
