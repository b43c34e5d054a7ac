"""A network that knows plain images tells whether restored ones still show what they showed."""

import pytest
from configurations import attack_values, composed

from vitcrypt.experiment.attack import run as attack
from vitcrypt.experiment.train import run as train

pytestmark = pytest.mark.slow
SMALL = ["data=digits", "model=vit_micro", "data.limit_train=400", "trainer.accelerator=cpu", "logger=none"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """The folder of a run on plain digits, long enough to tell some of them apart."""
    place = tmp_path_factory.mktemp("runs")
    train(composed(*SMALL, "encryption=plain", "model.network.depth=1", "trainer.max_epochs=15", f"results={place}"))
    return next(place.rglob("result.json")).parent


def test_restored_images_are_recognised_and_ciphertexts_are_not(classifier, tmp_path, capsys):
    held = ["attack.observation.ciphertexts=60", "attack.observation.known=40"]
    result = attack(attack_values(tmp_path, "etc", "known_plaintext", *held, f"classifier={classifier}"))
    seen = result.metrics.recognised
    assert seen.restored == seen.plain > 0.25
    assert seen.ciphertext < 0.2
    assert 0.1 <= seen.chance < 0.3
    assert f"recognised by the classifier: restored {100 * seen.restored:.1f} %" in capsys.readouterr().out
    assert result.config.values()["classifier"] == classifier.name  # no path of this machine
    assert result.inputs["weights"]["classifier"]["sha256"]
    without = attack(attack_values(tmp_path, "etc", "known_plaintext", *held))
    assert without.identity != result.identity
    assert without.metrics.recognised_absent == "classifier= names no run on plain images"


def test_a_run_that_does_not_know_these_images_is_refused(classifier, tmp_path):
    train(composed(*SMALL, "encryption=le", "trainer.max_epochs=1", f"results={tmp_path}"))
    encrypted = next(tmp_path.rglob("result.json")).parent
    for folder, told in ((encrypted, "trained with encryption=le"), (tmp_path, "holds no last.ckpt")):
        with pytest.raises((ValueError, FileNotFoundError), match=told):
            attack(attack_values(tmp_path, "le", "fr", "attack.observation.ciphertexts=9", f"classifier={folder}"))
