"""Configuration files of someone else: nothing that they say runs, writes or asks for anything."""

import sys
from itertools import cycle
from pathlib import Path

import pytest
import yaml
from gadgets import CALLS, ODD_TARGETS, PRIVATE, interpolations, networks, reexported, writing
from watching import nothing_happens

from vitcrypt import targets
from vitcrypt.attack import main as attack
from vitcrypt.experiment.fold_key import fold_weights
from vitcrypt.keys import Key
from vitcrypt.models.networks import build_network
from vitcrypt.run import main as run

PROGRAMS = {"config": run, "attack_config": attack}
ROOT = ["data=digits"]


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVATE", PRIVATE)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr("sys.argv", ["vitcrypt"])
    monkeypatch.chdir(tmp_path)


def refused(capsys, base: str, content: dict, *arguments: str) -> str:
    """Run the program on a file of someone else; return what it says."""
    here = Path.cwd()
    files, outside = here / "files", here / "outside"
    for folder in (files, outside):
        folder.mkdir(exist_ok=True)
    defaults = content.pop("defaults", [])
    text = yaml.safe_dump({"defaults": [base, *defaults, "_self_"], **content})
    (files / "foreign.yaml").write_text(text)
    with nothing_happens(), pytest.raises(SystemExit) as ended:
        PROGRAMS[base](["--config-dir", str(files), "--config-name", "foreign", *arguments, *ROOT])
    told = "".join(capsys.readouterr())
    assert ended.value.code == 1, told
    assert "Traceback" not in told
    assert PRIVATE not in told
    assert sorted(path.name for path in here.iterdir()) == ["files", "outside"]
    assert not list(outside.iterdir())
    return told


def below(place: str, value: object) -> dict:
    *parts, last = place.split(".")
    node: dict = {last: value}
    for part in reversed(parts):
        node = {part: node}
    return node


MARKER = Path("outside/written")


WRITTEN = interpolations(MARKER)
PLACES = ["names.data", "results", "data.root"]


@pytest.mark.parametrize(("base", "value", "place"), list(zip(cycle(PROGRAMS), WRITTEN, cycle(PLACES))))
def test_no_resolver_reads_a_file(capsys, base, place, value):
    assert "an interpolation names another value" in refused(capsys, base, below(place, value))


@pytest.mark.parametrize("value", ["${oc.env:PRIVATE}", "${oc.create:{a: 1}}"])
def test_nor_its_list_of_defaults(capsys, value):
    for entry in ({"optional data_model": value}, value, {value: "x"}):
        assert "an interpolation names another" in refused(capsys, "config", {"defaults": [entry]})


def test_nor_does_it_import_packages_to_search_them(capsys):
    assert "pkg:// imports" in refused(capsys, "config", {"hydra": {"searchpath": ["pkg://antigravity"]}})


def test_nor_files_that_it_chooses(capsys, tmp_path):
    (tmp_path / "files" / "model").mkdir(parents=True)
    (tmp_path / "files" / "model" / "theirs.yaml").write_text("image_size: ${oc.env:PRIVATE}\n")
    assert "an interpolation names another" in refused(capsys, "config", {}, "model=theirs")


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        {"callbacks": {"x": writing(MARKER)}},
        {"launcher": writing(MARKER)},
        {"launcher": {"_target_": "hydra_plugins.vitcrypt_pool.sys.exit"}},
        {"sweeper": writing(MARKER)},
        {"sweeper": {"params": writing(MARKER)}},
        {"sweeper": {"params": {"allow_targets": "[os]"}}},
        {"help": writing(MARKER)},
        {"job": {"env_set": {"HF_ENDPOINT": "http://127.0.0.1:9"}}},
        {"job_logging": {"handlers": {"console": {"()": "os.system", "command": "touch outside/written"}}}},
        {"job_logging": {"handlers": {"console": {"class": "logging.handlers.SocketHandler", "host": "x", "port": 9}}}},
        {"job_logging": {"handlers": {"file": {"class": "logging.FileHandler", "filename": str(MARKER)}}}},
        {"hydra_logging": {"formatters": {"simple": {"()": "os.system"}}}},
        {"hydra_logging": {"handlers": {"console": {"stream": "ext://webbrowser.open"}}}},
        {"hydra_logging": {"handlers": {"console": {"extra": "ext://antigravity.x"}}}},
    ],
)
def test_hydra_itself_builds_nothing_from_a_file(capsys, content):
    mode = ["-m", "seed=0,1"] if content.keys() & {"launcher", "sweeper", "callbacks"} else []
    told = refused(capsys, "config", {"hydra": content}, *mode)
    assert any(words in told for words in ("remove it", "not allowed", "error")), told


@pytest.mark.slow
@pytest.mark.parametrize("base", PROGRAMS)
def test_modules_are_allowed_on_the_command_line_alone(capsys, base):
    gadget = {"allow_targets": ["os"], "encryption": {"_target_": "os.system"}}
    assert "command line alone" in refused(capsys, base, gadget)
    assert "command line alone" in refused(capsys, base, gadget, "allow_targets.0=mine")
    assert "os.system is not allowed" in refused(capsys, base, gadget, "allow_targets=[mine]")


@pytest.mark.parametrize("group", targets.GROUPS)
def test_no_group_builds_what_is_not_its_own(group):
    for target in ODD_TARGETS:
        node = {"_target_": target, "_args_": ["outside/written"]}
        with nothing_happens():
            with pytest.raises(ValueError, match="_target_"):
                targets.builder(group, node)
            with pytest.raises(ValueError, match="_target_"):
                targets.check(below(group, node))


@pytest.mark.parametrize("group", targets.GROUPS)
def test_arguments_are_plain_values(group):
    module, names = next(iter(targets.GROUPS[group].items()))
    nodes = [writing(MARKER), reexported(MARKER), *({"_target_": call} for call in CALLS)]
    for value in [*nodes, *([node] for node in nodes), *([[1, node]] for node in nodes), {"a": 1}, {1: 2}, object()]:
        honest = {"_target_": f"{module}.{names[0]}", "a": value}
        with nothing_happens(), pytest.raises(ValueError, match=group):
            targets.builder(group, honest)
        with pytest.raises(ValueError, match=r"nothing is built there|is a number, text or a list|names no network"):
            targets.check(below(group, honest))
    for name in ("_args_", "_partial_", "_recursive_", "_convert_", "__class__", "a.b", "", 5):
        with pytest.raises(ValueError, match=group):
            targets.builder(group, {"_target_": f"{module}.{names[0]}", name: []})


def test_networks_of_configurations_obey_the_same_table_as_those_of_bundles():
    honest = {"_target_": "timm.create_model", "model_name": "vit_tiny_patch16_224"}
    for name, node in networks(honest, MARKER):
        with nothing_happens(), pytest.raises(ValueError, match=r"model\.network"):
            build_network({"network": node, "adaptation": "none", "block_size": 4}, 32, 10)
        assert not MARKER.exists(), name


@pytest.mark.parametrize(
    "place", ["data.root", "results", "names.data", "model.weights", "trainer.devices", "logger.tags"]
)
def test_a_target_where_nothing_is_built_is_refused(place):
    with pytest.raises(ValueError, match=r"nothing is built there|not allowed"):
        targets.check(below(place, [writing(MARKER)]))


def test_the_program_s_own_arguments_cannot_be_given_by_a_node():
    node = {"_target_": "vitcrypt.experiment.loggers.csv_logger", "folder": "/"}
    assert targets.build("logger.csv", node, folder=Path("here"), config={}).save_dir == "here"


@pytest.mark.parametrize(
    "override",
    [
        "model.network.model_name=hf-hub:x/y",
        "+model.network.pretrained=true",
        "+model.network.checkpoint_path=x.pth",
        "model.network.model_name=${oc.env:PRIVATE}",
        "model.network._target_=vitcrypt.models.weights.Path.touch",
        "encryption._target_=os.system",
        "+model.network.act_layer={_target_: os.system, _args_: [touch outside]}",
    ],
)
def test_adapting_builds_no_more_than_training(tmp_path, override):
    with nothing_happens(), pytest.raises(ValueError, match=r"model\.network|encryption|interpolation") as error:
        fold_weights(
            tmp_path / "w.pth", tmp_path / "o.safetensors", Key.test("test-0"), "proposed", "vit_tiny", [override]
        )
    assert PRIVATE not in str(error.value)


OWN = '''
import os
from os import system
from vitcrypt.encryption import Proposed


class Mine(Proposed):
    """A scheme of one's own."""

    class Inner:
        def __init__(self, size):
            self.size = size

    def method(self):
        """No target."""


def scheme(block_size, inner=None):
    """Another."""
    return Mine(block_size), inner


instance = Mine(4)
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "of_my_own.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    yield ["of_my_own"]
    sys.modules.pop("of_my_own", None)


def test_classes_and_functions_of_one_s_own_modules_can_be_allowed(own):
    assert targets.build("encryption", {"_target_": "of_my_own.Mine", "block_size": 4}, own).block_size == 4
    inner = {"_target_": "of_my_own.Mine.Inner", "size": [1, {"a": 2}]}
    node = {"_target_": "of_my_own.scheme", "block_size": 4, "inner": inner}
    targets.check({"encryption": node}, own)
    assert targets.build("encryption", node, own)[1].size == [1, {"a": 2}]


@pytest.mark.parametrize(
    "name",
    ["os.system", "system", "Proposed", "instance", "instance.method", "os", "nothing", "Mine.mro", "Mine.__class__"],
)
def test_but_not_what_these_imported_nor_methods_nor_instances(own, name):
    with nothing_happens(), pytest.raises(ValueError, match="is no class or function that of_my_own define"):
        targets.build("encryption", {"_target_": f"of_my_own.{name}", "block_size": 4}, own)


def test_modules_that_are_not_there_are_named(own):
    with pytest.raises(ValueError, match="there is no module of_yours"):
        targets.build("encryption", {"_target_": "of_yours.Mine"}, ["of_yours"])


@pytest.mark.parametrize("name", targets.LOGGERS)
def test_the_names_of_older_configurations_still_hold(name):
    made = targets.builder("logger.csv", {"_target_": f"vitcrypt.tracking.{name}"})
    assert made.func.__module__ == "vitcrypt.experiment.loggers"


@pytest.mark.parametrize("group", [group for group in targets.GROUPS if group != "model.network"])
def test_everything_that_a_group_lists_is_there(group):
    for module, names in targets.GROUPS[group].items():
        for name in names:
            assert targets.builder(group, {"_target_": f"{module}.{name}"}).func.__name__ == name
