"""The rules of the house: who may import whom, no file too long, no room without a purpose."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "vitcrypt"
ROOMS = {
    "jobs": set(),
    "untrusted": set(),
    "cli": {"attack", "data", "encryption", "experiment", "folders", "keys", "report", "run", "service"},
    "experiment": {"attacks", "data", "encryption", "keys", "metrics", "models", "report", "service", "targets"},
    "keys": set(),
    "encryption": {"keys"},
    "data": {"encryption"},
    "folders": {"data", "encryption"},
    "models": {"encryption", "targets"},  # a key is folded into a network by its cipher
    "report": set(),
    "attacks": {"encryption"},
    "metrics": set(),
    "service": {"data", "encryption", "models"},  # never keys: a client is handed one
}
BELOW = {"jobs", "untrusted"}  # rooms that every other may use: they use nothing of ours but each other
BELOW_MAY_USE = {"jobs": {"vitcrypt"}, "untrusted": {"vitcrypt", "pydantic", "rich"}}
FORBIDDEN = {  # libraries that a room does not know
    "jobs": {"torch", "lightning", "hydra", "omegaconf", "wandb", "numpy", "rich"},
    "untrusted": {"torch", "lightning", "hydra", "omegaconf", "wandb", "numpy"},
    "cli": set(),
    "experiment": set(),
    "keys": {"torch", "lightning", "hydra", "omegaconf", "wandb"},
    "encryption": {"lightning", "hydra", "omegaconf", "wandb", "timm"},
    "data": {"hydra", "omegaconf", "wandb", "timm"},
    "folders": {"lightning", "hydra", "omegaconf", "wandb", "timm"},
    "models": {"hydra", "omegaconf", "wandb"},
    "report": {"torch", "lightning", "hydra", "omegaconf", "wandb", "timm"},
    "attacks": {"hydra", "omegaconf", "wandb"},
    "metrics": {"lightning", "hydra", "omegaconf", "wandb", "timm"},
    "service": {"lightning", "hydra", "omegaconf", "wandb", "timm"},
}
PLAIN_TORCH = ("resnet", "shakedrop", "adaptation", "weights", "patch_embedding", "key_folding")
LIGHTNING_FREE = [f"models/{name}.py" for name in PLAIN_TORCH]
LIGHTNING_FREE += [f"data/{name}.py" for name in ("datasets", "resize", "augment", "listing", "manifest")]


def imports(path: Path) -> set[str]:
    """Dotted names of all that a file imports when it runs (not what stands under TYPE_CHECKING)."""
    tree = ast.parse(path.read_text())
    names = set()
    skipped = {
        id(n)
        for i in ast.walk(tree)
        if isinstance(i, ast.If) and "TYPE_CHECKING" in ast.dump(i.test)
        for n in ast.walk(i)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def rooms() -> list[str]:
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def test_every_room_has_a_rule():
    assert set(rooms()) <= set(ROOMS)


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_only_the_rooms_it_may(room):
    for path in (PACKAGE / room).rglob("*.py"):
        used = {name.split(".")[1] for name in imports(path) if name.startswith("vitcrypt.")}
        assert used <= ROOMS[room] | {room} | BELOW, f"{path} imports {used}"


@pytest.mark.parametrize("room", rooms())
def test_a_room_does_not_know_the_libraries_of_others(room):
    for path in (PACKAGE / room).rglob("*.py"):
        used = {name.split(".")[0] for name in imports(path)}
        assert not used & FORBIDDEN[room], f"{path} imports {used & FORBIDDEN[room]}"


@pytest.mark.parametrize("path", LIGHTNING_FREE)
def test_plain_torch_lies_below_lightning(path):
    assert "lightning" not in {name.split(".")[0] for name in imports(PACKAGE / path)}


@pytest.mark.parametrize("room", sorted(BELOW))
def test_what_lies_below_all_rooms_loads_nothing_large(room):
    for path in (PACKAGE / room).glob("*.py"):
        used = {name.split(".")[0] for name in imports(path)} - BELOW_MAY_USE[room]
        assert used <= sys.stdlib_module_names, f"{path} imports {used}"


def test_only_the_tracking_module_knows_wandb():
    knowing = {path.name for path in PACKAGE.rglob("*.py") if any(n.split(".")[0] == "wandb" for n in imports(path))}
    assert knowing == {"loggers.py"}


BUILDING = ("hydra.utils", "hydra._internal.instantiate", "importlib.import_module", "pydoc", "pickle", "runpy")


def test_one_module_alone_builds_what_a_configuration_names_and_without_hydra():
    """No `instantiate`, `get_class`, `locate`: they walk from an allowed module into whatever that imported."""
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.parent.glob("hydra_plugins/**/*.py")]:
        text = path.read_text()
        used = {name for name in imports(path) if name.startswith(BUILDING)}
        used |= {node.func.id for node in ast.walk(ast.parse(text)) if is_call_of_a_name(node)}
        assert not used & {"eval", "exec", "__import__", *(name for name in used if name.startswith(BUILDING))}, path
        assert ("import_module(" in text) == (path == PACKAGE / "targets.py"), path


def is_call_of_a_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def test_what_lies_beside_the_rooms_is_a_program_or_the_targets():
    assert {path.stem for path in PACKAGE.glob("*.py")} <= {"run", "attack", "targets", "__init__"}


def test_no_file_is_too_long_and_none_is_named_for_nothing():
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 320, path
        assert path.stem not in ("utils", "util", "common", "helpers", "misc"), path


def test_a_process_that_serves_loads_no_key_code_and_with_onnx_no_torch():
    program = """
import sys
import vitcrypt.cli, vitcrypt.service.app, vitcrypt.service.server
assert "torch" not in sys.modules
import vitcrypt.models.networks, vitcrypt.service.graph  # what --backend torch needs besides
assert "torch" in sys.modules and not [name for name in sys.modules if name.startswith("vitcrypt.keys")]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
