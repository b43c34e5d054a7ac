"""The rules of the house: who may import whom, no circles, no file too long, no room without a purpose."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "vitcrypt"
BELOW = {"jobs", "untrusted"}  # what every room may use
ROOMS = {  # what else it may use
    "__main__": {"cli"},
    "attack": {"experiment"},
    "attacks": {"encryption", "models"},  # one of them trains a classifier
    "benchmark": {"encryption", "experiment", "keys", "metrics", "report"},
    "cli": {"attack", "benchmark", "data", "encryption", "experiment", "folders", "keys", "report", "run", "service"},
    "data": {"encryption"},
    "encryption": set(),  # it is handed keys
    "experiment": {"attacks", "data", "encryption", "keys", "metrics", "models", "report", "service", "targets"},
    "folders": {"data", "encryption"},
    "jobs": set(),
    "keys": set(),
    "metrics": set(),
    "models": {"encryption", "targets"},  # a key is folded into a network by its cipher
    "report": set(),
    "run": {"experiment"},
    "service": {"data", "encryption", "models"},  # never keys: a client is handed one
    "targets": set(),
    "untrusted": set(),
}
ONLY = {  # rooms that know the standard library and no more than this
    "jobs": {"vitcrypt", "ray", "submitit"},
    "targets": {"vitcrypt"},
    "untrusted": {"vitcrypt", "pydantic", "rich"},
}
LIGHT = {"lightning", "hydra", "omegaconf", "wandb", "timm"}
NOT = {  # libraries that a room does not know
    "keys": {"torch", *LIGHT},
    "encryption": LIGHT,
    "data": LIGHT - {"lightning"},
    "folders": LIGHT,
    "models": LIGHT - {"lightning", "timm"},
    "report": {"torch", *LIGHT},
    "benchmark": LIGHT - {"hydra", "omegaconf"},
    "attacks": LIGHT - {"lightning", "timm"},
    "metrics": LIGHT,
    "service": LIGHT,
}
WITH_LIGHTNING = {"models/classifier.py", "data/datamodule.py"}  # of two rooms, the modules that know it
BUILDING = ("hydra.utils", "hydra._internal.instantiate", "importlib.import_module", "pydoc", "pickle", "runpy")


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> set[str]:
    """Dotted names of all that a module imports when it runs, inside functions too; not under TYPE_CHECKING."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.dump(tree.test):
        return set()
    if isinstance(tree, ast.Import):
        return {alias.name for alias in tree.names}
    if isinstance(tree, ast.ImportFrom) and tree.module:
        return {f"{tree.module}.{alias.name}" for alias in tree.names}
    if isinstance(tree, ast.expr):
        return set()
    return set().union(*map(imports, ast.iter_child_nodes(tree)))


FILES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
IMPORTS = {module: imports(ast.parse(path.read_text())) for module, path in FILES.items()}


def of_ours(name: str) -> str:
    """The module that an imported name is, or is in."""
    return name if name in FILES else name.rpartition(".")[0]


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


MODULES = {module: {of_ours(name) for name in names} & FILES.keys() - {module} for module, names in IMPORTS.items()}
HOUSE: dict[str, set[str]] = {room(module): set() for module in FILES if room(module)}
for module, used in MODULES.items():
    if room(module):
        HOUSE[room(module)] |= {room(other) for other in used} - {"", room(module)}


def in_circles(graph: dict[str, set[str]]) -> list[str]:
    """What comes back to itself."""

    def reached(start: str) -> set[str]:
        seen, ahead = set(), [start]
        while ahead:
            new = graph[ahead.pop()] - seen
            seen |= new
            ahead += new
        return seen

    return [node for node in graph if node in reached(node)]


def libraries(module: str) -> set[str]:
    return {name.split(".")[0] for name in IMPORTS[module]}


def test_a_room_imports_only_the_rooms_it_may():
    assert HOUSE.keys() == ROOMS.keys()
    for name, used in HOUSE.items():
        assert used <= ROOMS[name] | (BELOW if name not in BELOW else set()), name


def test_nothing_imports_itself_by_a_detour():
    assert in_circles(HOUSE) == []
    assert in_circles(MODULES) == []


def test_the_house_can_be_drawn():
    assert len(HOUSE) <= 18
    assert sum(map(len, HOUSE.values())) <= 60
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "__main__", "run", "attack", "targets"}


def test_a_room_does_not_know_the_libraries_of_others():
    for module in filter(room, FILES):
        assert not libraries(module) & NOT.get(room(module), set()), module
        if room(module) in ONLY:
            assert libraries(module) - ONLY[room(module)] <= sys.stdlib_module_names, module


def test_lightning_and_weights_and_biases_are_known_where_they_are_needed():
    knowing = {str(FILES[module].relative_to(PACKAGE)) for module in FILES if "lightning" in libraries(module)}
    assert {path for path in knowing if path.startswith(("models", "data"))} == WITH_LIGHTNING
    assert {FILES[module].name for module in FILES if "wandb" in libraries(module)} == {"loggers.py"}


@pytest.mark.slow
def test_one_module_alone_builds_what_a_configuration_names_and_without_hydra():
    """No `instantiate`, `get_class`, `locate`: they walk from an allowed module into whatever that imported."""
    for path in [*FILES.values(), *PACKAGE.parent.glob("hydra_plugins/**/*.py")]:
        text = path.read_text()
        tree = ast.parse(text)
        calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and is_name(node.func)}
        assert not calls & {"eval", "exec", "__import__"}, path
        assert not [name for name in imports(tree) if name.startswith(BUILDING)], path
        assert ("import_module(" in text) == (path == PACKAGE / "targets.py"), path


def is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


def test_what_is_started_ends_with_the_process_that_started_it():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.Popen", "subprocess.call"):
                assert "preexec_fn=end_with_parent" in ast.unparse(node), f"{path}:{node.lineno}"


def test_no_file_is_too_long_and_none_is_named_for_nothing():
    for path in FILES.values():
        assert len(path.read_text().splitlines()) <= 320, path
        assert path.stem not in ("utils", "util", "common", "helpers", "misc"), path


@pytest.mark.slow
def test_each_part_loads_no_more_than_it_needs():
    """In one fresh process, from the least to the most: reports, serving, encryption, folders, attacks, networks."""
    program = """
import sys
def loaded(*names):
    return [name for name in sys.modules if name.startswith(names)]
import vitcrypt.cli, vitcrypt.cli.report, vitcrypt.report.html, vitcrypt.report.table1
import vitcrypt.service.app, vitcrypt.service.server  # what serves with ONNX
assert not loaded("torch", "lightning", "timm"), loaded("torch")[:1]
import vitcrypt.encryption
assert not loaded("vitcrypt.keys", "lightning", "hydra", "wandb", "cryptography")
import vitcrypt.service.client, vitcrypt.folders, vitcrypt.folders.verify, vitcrypt.folders.pack  # the owner's side
assert not loaded("torch", "hydra", "scipy", "sklearn")
vitcrypt.encryption.SCHEMES, vitcrypt.data.folder  # what trains
heavy = loaded("lightning", "torchvision", "timm", "torchmetrics", "sklearn", "scipy.stats", "sympy", "torch._dynamo")
assert not heavy, heavy[:5]
import vitcrypt.attack, vitcrypt.experiment.victim, vitcrypt.experiment.score  # what attacks
assert not loaded("scipy.optimize", "scipy.sparse")
vitcrypt.attacks.Statistics
heavy = loaded("lightning", "torchvision", "timm", "torchmetrics", "sympy", "torch._dynamo")
assert not heavy, heavy[:5]
for name in loaded("vitcrypt.keys"):
    del sys.modules[name]
import vitcrypt.models.networks, vitcrypt.service.graph  # what serves with torch
assert loaded("torch") and not loaded("vitcrypt.keys")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
