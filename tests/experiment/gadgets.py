"""Ways to make code out of data, as others could write them into bundles, results and configurations."""

from pathlib import Path
from typing import Any

PRIVATE = "what only the environment knows"
"""The value of a variable PRIVATE; nothing that is printed may hold it."""

CALLS = [
    "pathlib.Path.write_text",
    "os.system",
    "posix.system",
    "builtins.exec",
    "builtins.open",
    "subprocess.call",
    "importlib.import_module",
    "webbrowser.open",
    "vitcrypt.models.weights.Path.write_text",
    "vitcrypt.models.weights.torch.load",
    "vitcrypt.models.weights.os.system",
    "vitcrypt.models.weights.fetch_pretrained",
    "vitcrypt.models.weights.urllib.request.urlopen",
    "vitcrypt.models.fetch_pretrained",
    "vitcrypt.models.load_weights",
    "vitcrypt.models.ImageClassifier.load_from_checkpoint",
    "vitcrypt.experiment.training_run.subprocess.call",
    "vitcrypt.experiment.training_run.main",
    "vitcrypt.jobs.atomic.write_new",
    "vitcrypt.run.main",
    "vitcrypt.cli.main.main",
    "vitcrypt.jobs.atomic.atomic_write",
    "vitcrypt.keys.Key.write",
    "vitcrypt.report.results.write_result",
    "vitcrypt.targets.build",
    "vitcrypt.data.cifar._fetch",
    "vitcrypt.data.cifar.cache",
    "vitcrypt.data.sources.Path.touch",
    "timm.models.load_checkpoint",
    "timm.models.torch.load",
    "timm.models._helpers.torch.hub.load_state_dict_from_url",
    "timm.models._hub.hf_hub_download",
    "timm.utils.CheckpointSaver",
    "torch.optim.Optimizer.__init__.__globals__",
    "torch.optim.SGD.__class__.__base__.__subclasses__",
    "torch.optim.lr_scheduler.torch.load",
    "torch.hub.load",
    "torch.load",
    "torch.utils.cpp_extension.load",
    "lightning.pytorch.utilities.os.system",
    "lightning.Trainer.__init__",
    "lightning.seed_everything",
    "hydra.utils.instantiate",
    "hydra.utils.call",
    "omegaconf.OmegaConf.save",
    "__main__.main",
    "antigravity.webbrowser",
    "this",
    "torch..optim.SGD",
    ".timm.create_model",
    "timm.create_model.",
    "timm.create_model ",
    "timm/create_model",
    "",
]
ODD_TARGETS: list[Any] = [*CALLS, 1, 1.5, True, False, [], ["timm.create_model"], {}, {"_target_": "timm.create_model"}]


def writing(marker: Path) -> dict[str, Any]:
    """A node that writes a file, were it built."""
    path = {"_target_": "pathlib.Path", "_args_": [str(marker)]}
    return {"_target_": "pathlib.Path.write_text", "_args_": [path, "by a gadget"]}


def reexported(marker: Path) -> dict[str, Any]:
    """The same by what an allowed module imported."""
    path = {"_target_": "vitcrypt.models.weights.Path", "_args_": [str(marker)]}
    return {"_target_": "vitcrypt.models.weights.Path.write_text", "_args_": [path, "by a gadget"]}


def interpolations(marker: Path) -> list[str]:
    """Texts that OmegaConf would resolve to a node that writes, or to what is nobody's business."""
    inner = f"{{_target_: pathlib.Path, _args_: ['{marker}']}}"
    node = f"{{_target_: pathlib.Path.write_text, _args_: [{inner}, 'by a gadget']}}"
    return [
        f"${{oc.create:{node}}}",
        f'${{oc.decode:"{node}"}}',
        "${oc.env:PRIVATE}",
        "${oc.env:NONE,x}",
        "a-${oc.env:PRIVATE}-b",
        "${oc.select:key}",
        "${oc.dict.keys:data}",
        "${oc.deprecated:key}",
        "${${oc.env:PRIVATE}}",
        "${hydra:${oc.env:PRIVATE}}",
        "\\${oc.env:PRIVATE}",
        "${ oc.env:PRIVATE }",
        "${no_such_resolver:1}",
    ]


def networks(honest: dict[str, Any], marker: Path) -> list[tuple[str, dict[str, Any]]]:
    """Changed copies of the node of a network of timm, each with a name."""
    made: list[tuple[str, dict[str, Any]]] = []
    nodes = [writing(marker), reexported(marker), *interpolations(marker)]
    for name in ("model_name", "embed_dim", "act_layer", "norm_layer", "qkv_bias", "another", "_target_"):
        made += [(f"{name}-{i}", honest | {name: node}) for i, node in enumerate(nodes)]
    made += [(f"list-{i}", honest | {"depths": [1, node]}) for i, node in enumerate(nodes)]
    made += [(f"target-{target!r:.60}", honest | {"_target_": target}) for target in ODD_TARGETS]
    names = [
        "hf-hub:x/y",
        "hf_hub:x/y",
        "local-dir:/tmp/x",
        "HF-HUB:x/y",
        "x/y",
        "../x",
        "http://127.0.0.1:9/x",
        "a.b.c",
    ]
    names += [
        "vit_tiny_patch16_224.",
        ".x",
        "vit_tiny_patch16_224\n",
        "no_such_network",
        "",
        "a" * 300,
        "vit_tiny_patch16_224@x",
    ]
    made += [(f"model_name-{name!r:.40}", honest | {"model_name": name}) for name in names]
    made += [
        (f"{name}-{value!r:.30}", honest | {name: value})
        for name, value in (
            ("pretrained", True),
            ("pretrained", "true"),
            ("pretrained_cfg", {"file": "/tmp/x", "url": "http://127.0.0.1:9/"}),
            ("pretrained_cfg", "http://127.0.0.1:9/"),
            ("pretrained_cfg_overlay", {"file": "/tmp/x"}),
            ("checkpoint_path", "/tmp/x.pth"),
            ("cache_dir", str(marker.parent)),
            ("scriptable", True),
            ("features_only", True),
            ("device", "meta"),
            ("weight_init", "../x"),
            ("embed_dim", 10**12),
            ("depth", 10**9),
            ("depth", -1),
            ("embed_dim", True),
            ("img_size", [16, 16, 16]),
            ("_args_", ["hf-hub:x/y"]),
            ("_partial_", True),
            ("_recursive_", False),
            ("_convert_", "all"),
            ("__class__", "x"),
        )
    ]
    return made
