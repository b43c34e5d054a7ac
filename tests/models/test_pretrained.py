"""Fetching pretrained weights: from the cache, from the hub, and what is said when there are none."""

import http.server
import threading
import time

import pytest
from weight_files import equal, saved, tiny

from vitcrypt.models import fetch_pretrained, load_weights

NAME = "vit_base_patch16_224.orig_in21k"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Give the client of the Hugging Face hub an empty cache and a server that nobody runs."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "*")

    def unasked(*args, **kwargs):
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unasked)
    return tmp_path / "hf" / "hub"


def says_every_way(message):
    ways = [f"timm/{NAME}", "HF_HOME", f"hf download timm/{NAME} model.safetensors", "model.weights=FILE"]
    return all(way in message for way in [*ways, "model.weights=ViT-B_16.npz", "model.pretrained=false"])


def test_without_a_network_the_message_comes_at_once_and_names_every_way(hub):
    began = time.perf_counter()
    with pytest.raises(FileNotFoundError) as caught:
        fetch_pretrained(NAME)
    assert time.perf_counter() - began < 5
    assert says_every_way(str(caught.value))
    assert "http://127.0.0.1:9" in str(caught.value)
    assert str(hub.parent) in str(caught.value)


def test_when_told_to_stay_offline_the_hub_is_not_asked_and_the_message_says_why(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match="HF_HUB_OFFLINE") as caught:
        fetch_pretrained(NAME)
    assert says_every_way(str(caught.value))


def test_a_file_in_the_cache_of_the_hub_is_found_without_asking_anyone(hub):
    model = hub / f"models--timm--{NAME}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40)
    (model / "snapshots" / ("0" * 40)).mkdir(parents=True)
    path = saved(model / "snapshots" / ("0" * 40) / "model.safetensors", tiny(1).state_dict())
    assert fetch_pretrained(NAME) == path
    target = tiny(2)
    load_weights(target, fetch_pretrained(NAME))
    assert equal(target, tiny(1))


@pytest.fixture
def reached(hub, monkeypatch):
    """A server in the place of the hub that answers anything at all."""
    from huggingface_hub import constants

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(503)

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        yield


@pytest.mark.parametrize(
    ("name", "file"), [(NAME, f"timm/{NAME}"), ("convnext_atto", "timm/convnext_atto.d2_in1k")], ids=["vit", "convnext"]
)
def test_a_hub_that_can_be_reached_is_asked_for_the_right_file(reached, monkeypatch, tmp_path, name, file):
    asked = []
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *what: asked.append(what) or str(tmp_path / "x"))
    assert fetch_pretrained(name) == tmp_path / "x"
    assert asked == [(file, "model.safetensors")]


def test_what_the_hub_complains_about_is_passed_on(reached, monkeypatch):
    def refuse(*arguments):
        raise RuntimeError("403 Forbidden: gated\nmore")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(FileNotFoundError, match="403 Forbidden: gated\n") as caught:
        fetch_pretrained(NAME)
    assert says_every_way(str(caught.value))


@pytest.mark.parametrize("name", ["resnet18000", "vit_nothing_patch16"])
def test_a_network_without_pretrained_weights_is_named(hub, name):
    with pytest.raises(FileNotFoundError, match=rf"no pretrained weights for {name}; set model\.pretrained=false"):
        fetch_pretrained(name)
