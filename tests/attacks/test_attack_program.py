"""The attack program: configuration, record, refusals. Attacks themselves are in test_attacks.py."""

import json

import pytest
import recorded
import torch
from configurations import attack_values as config
from samples import noise_tensor

from vitcrypt.attacks import Observation, Reconstruction
from vitcrypt.attacks.learned import loop, training
from vitcrypt.encryption import Plain
from vitcrypt.experiment.attack import run as attack
from vitcrypt.experiment.blame import strangers
from vitcrypt.experiment.config import CONF, AttackConfig, typed
from vitcrypt.experiment.identity import identity
from vitcrypt.experiment.job import Job
from vitcrypt.experiment.score import Truth, score
from vitcrypt.experiment.victim import Victim
from vitcrypt.report.frame import summary
from vitcrypt.report.records import AttackResult
from vitcrypt.report.results import read_results
from vitcrypt.report.security import attacks, security
from vitcrypt.report.verdict import judge
from vitcrypt.targets import build

ATTACKS = sorted(path.stem for path in (CONF / "attack").glob("*.yaml"))


@pytest.mark.parametrize("name", ATTACKS)
def test_every_configured_attack_can_be_built(name, tmp_path):
    method = build("attack.method", config(tmp_path, "proposed", name)["attack"]["method"])
    assert method.name == name


def test_an_attack_leaves_a_record_without_key_and_is_not_repeated(tmp_path, capsys):
    job = config(tmp_path, "pe", "fr", "attack.observation.ciphertexts=20", "encryption.channel_shuffle=false")
    result = attack(job)
    assert "knows: the algorithm: PE" in capsys.readouterr().out  # the threat model is told before
    folder = next(tmp_path.rglob("result.json")).parent
    text = (folder / "result.json").read_text()
    stored = json.loads(text)
    assert stored["threat_model"]["ciphertexts"] == 20
    assert stored["metrics"]["restored"]["folded_ssim"]["median"] == 1
    assert stored["metrics"]["restored"]["ssim"]["median"] > stored["metrics"]["ciphertext"]["ssim"]["median"] + 0.1
    assert {"ssim", "psnr"} <= stored["metrics"]["unrelated"].keys()
    assert stored["key"]["public_test_key"] == "test-0"
    assert str(tmp_path) not in text
    assert (folder / "images.png").stat().st_size > 1000
    assert attack(job).seconds == result.seconds
    assert "finished before" in capsys.readouterr().out


@pytest.mark.slow
def test_reports_list_attacks_apart_from_runs(tmp_path):
    attack(config(tmp_path, "le", "known_plaintext", "attack.observation.known=40"))
    attack(config(tmp_path, "etc", "fr", "attack.observation.ciphertexts=20"))
    found, left_out = read_results(tmp_path)
    assert left_out == []
    assert summary(found).rows == []
    assert len(attacks(found).rows) == 2
    table = security(found)
    assert [row[1] for row in table.rows] == ["le", "etc"]  # the paper's order
    known = table.columns.index("known plaintext")
    assert table.rows[0][known].startswith("broken 1.000")
    assert [row[-3:] for row in table.rows] == [["", "broken", "x"], ["nothing found", "nothing found", "check"]]


def test_the_verdict_follows_its_rule():
    def result(restored: float, ciphertext: float, unrelated: float, exact: float = 0.0) -> AttackResult:
        record = recorded.attack("le", "fr", restored, ciphertext=ciphertext, exact=exact)
        return recorded.typed(recorded.changed(record, metrics__unrelated__ssim__median=unrelated))

    assert judge(result(1.0, 0.0, 0.1, exact=1.0)).word == "broken"
    assert judge(result(0.97, 0.28, 0.3)).word == "broken"
    assert judge(result(0.97, 0.28, 0.96)).word == "not by this"
    assert judge(result(0.4, 0.05, 0.1)).word == "leaks"
    assert judge(result(0.3, 0.28, 0.3)).word == "not by this"
    assert judge(result(0.2, 0.95, 0.3)).word == "broken"  # who does nothing sees the image
    assert judge(result(0.2, 0.45, 0.3)).word == "leaks"
    assert judge(result(0.2, 0.45, 0.3)).shown == 0.45
    with pytest.raises(ValueError, match=r"less than or equal to 1\.001"):
        result(1e30, 0.45, 0.3)  # a record of someone else


def test_what_an_attack_is_decides_its_identity(tmp_path):
    def identified(*overrides, fingerprint="a", place=tmp_path):
        return identity(typed(AttackConfig, config(place, "le", "fr", *overrides)), fingerprint)

    assert identified() == identified(place=tmp_path / "elsewhere")
    changes = [
        "seed=1",
        "attack.observation.ciphertexts=7",
        "image_size=64",
        "attack.method.variant=minimum_difference",
    ]
    assert len({identified(), identified(fingerprint="b"), *map(identified, changes)}) == 6


@pytest.mark.parametrize(
    ("scheme", "method", "overrides", "message"),
    [
        ("le", "fr", ["attack.observation.ciphertexts=1000"], "there are 360 test images"),
        ("le", "fr", ["attack.observation.ciphertexts=0"], "ciphertexts=0: set it to a number, at least 1"),
        ("le", "statistics", ["attack.observation.ciphertexts=9"], "there are 1437 training images"),
        ("le", "known_plaintext", ["key_scope=per_image"], "key_scope=per_image"),
        ("le", "known_plaintext", ["attack.observation.known=0"], "observation.known"),
        ("le", "chosen_plaintext", ["attack.observation.queries=0"], "observation.oracle"),
        ("le", "gan", ["attack.observation.ciphertexts=9", "attack.observation.public_images=0"], "public origin"),
        ("le", "gan", ["attack.observation.ciphertexts=9", "key_scope=per_image"], "one shared key"),
        ("le", "fr", ["attack.observation.ciphertexts=9", "lpips_weights=nowhere.pth"], "nowhere.pth is not there"),
        ("le", "fr", ["image_size=30"], "does not divide images of 30 x 30"),
        ("received", "fr", [], "encryption=received"),
        ("le", "fr", ["key_scope=mine"], "shared or per_image"),
        ("le", "fr", ["attack.method._target_=os.system"], "os.system is not allowed"),
    ],
)
def test_bad_input_is_named(tmp_path, scheme, method, overrides, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        attack(config(tmp_path, scheme, method, *overrides))


THEIRS = """
import torch
from vitcrypt.attacks import Reconstruction
class Theirs:
    name = "theirs"
    def __init__(self, what):
        self.what = what
    def __call__(self, held):
        names = {"held": held, "images": held.ciphertexts, "torch": torch, "Reconstruction": Reconstruction}
        return eval(self.what, names)
"""


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """Return a function that attacks plain images by a stranger's expression, as the program does."""
    (tmp_path / "theirs_only.py").write_text(THEIRS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("vitcrypt.report.figures.image_grid", lambda *given: None)

    def call(what):
        own = ["attack.method._target_=theirs_only.Theirs", "~attack.method.variant", "allow_targets=[theirs_only]"]
        values = config(tmp_path, "plain", "fr", *own, "attack.observation.ciphertexts=4", "image_size=8")
        values["attack"]["method"]["what"] = what
        with strangers(values["allow_targets"]):
            return attack(values)

    return call


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("None", "returned NoneType; return a Reconstruction"),
        ("Reconstruction(None)", "images as a tensor, got NoneType"),
        ("Reconstruction(images / 255)", "as uint8"),
        ("Reconstruction(images[:1])", "for \\[4, 3, 8, 8\\]"),
        ("Reconstruction(images, distances=torch.zeros(4, 9))", "distances \\[4, 9\\] of 4 ciphertexts to 0"),
        ("Reconstruction(images, distances=torch.full((4, 9), torch.nan))", "without NaN"),
        ("Reconstruction(images, details={'a': held})", "no plain values"),
        ("Reconstruction(images, details={'queries': -1})", "no plain values"),
        ("Reconstruction(images, earlier=torch.inf)", "earlier"),
        ("1 / 0", "theirs_only.py, line 10: ZeroDivisionError"),
        ("exit()", "theirs_only.py, line 10: SystemExit"),
    ],
)
def test_what_a_stranger_s_attack_does_is_checked_and_named(theirs, what, told):
    with pytest.raises(ValueError, match=told):
        theirs(what)


def test_copies_of_an_image_hide_it_from_nobody():
    images = noise_tensor(4, 3, 8, 8)
    gallery = images.repeat(30, 1, 1, 1)
    held = Observation(Plain(), images, gallery=gallery)
    distances = torch.cdist(images.flatten(1).float(), gallery.flatten(1).float())
    found = score(Truth(images, places=torch.arange(4)), held, Reconstruction(images, distances=distances)).linked
    assert (found.top1, found.among, found.anonymity.median) == (1, 4, 1)


def test_an_attack_cannot_change_what_it_is_compared_with(theirs):
    assert theirs("Reconstruction(images.zero_())").metrics.exact == 0


@pytest.mark.slow
def test_a_killed_training_goes_on_with_the_same_command(tmp_path, monkeypatch):
    real, steps = loop.step, iter(range(9))
    monkeypatch.setattr(training, "EVERY", 0)
    values = ["attack.observation.ciphertexts=9", "attack.observation.public_images=40"]
    values += ["attack.method.epochs=4", "attack.method.batch_size=12"]

    def step(*arguments):
        if next(steps) == 7:
            raise RuntimeError("killed")
        real(*arguments)

    monkeypatch.setattr(loop, "step", step)
    job = config(tmp_path / "killed", "le", "itn", *values)
    with pytest.raises(RuntimeError, match="killed"):
        attack(job)
    [checkpoint] = tmp_path.rglob("attack.ckpt")
    monkeypatch.setattr(loop, "step", real)
    resumed, unbroken = attack(job), attack(config(tmp_path / "unbroken", "le", "itn", *values))
    assert resumed.metrics == unbroken.metrics
    assert not checkpoint.exists()


def test_intercepted_images_are_training_images_in_two_roles_only_if_asked(tmp_path):
    def held(*overrides):
        values = ["attack.observation.ciphertexts=9", "attack.observation.public_images=40", *overrides]
        return Victim(Job.of(AttackConfig, config(tmp_path, "plain", "gan", *values))).observation()

    apart = held("attack.observation.intercepted=30")
    both = held("attack.observation.intercepted=30", "attack.observation.both_roles=true")
    assert len(apart.labels) == len(apart.all_ciphertexts) == 39
    assert apart.threat_model["intercepted"].endswith(": 30")
    assert torch.equal(both.intercepted, both.public_images[:30])
    assert not (apart.intercepted[:, None] == apart.public_images[None]).flatten(2).all(2).any()
    with pytest.raises(ValueError, match="intercepted=1400 are 1440 images, but there are 1437"):
        held("attack.observation.intercepted=1400")
