"""`--help` of both programs names every option of every group."""

import re

import pytest
from omegaconf import OmegaConf

from vitcrypt.experiment.config import CONF

PROGRAMS = {"run": "config", "attack": "attack_config"}


def groups(config: str) -> set[str]:
    """The groups in a program's list of defaults."""
    entries = [str(key) for entry in OmegaConf.load(CONF / f"{config}.yaml").defaults if entry != f"{config}_schema"
               for key in (entry if not isinstance(entry, str) else [])]  # fmt: skip
    return {entry.split(" ")[-1].partition("@")[0] for entry in entries if not entry.startswith("override")}


@pytest.mark.slow
@pytest.mark.parametrize("verb", PROGRAMS)
def test_the_help_names_every_option_and_what_it_explains_can_be_set(vitcrypt, verb):
    code, printed = vitcrypt(verb, "--help")
    assert code == 0
    assert "$" not in printed.replace("$VITCRYPT_DATA", "")
    assert groups(PROGRAMS[verb]) >= {"data", "encryption"}
    for group in groups(PROGRAMS[verb]):
        part = re.search(rf"^  {group}  .*?(?=^  \w|^$|^\w)", printed, re.MULTILINE | re.DOTALL)
        assert part, group
        for path in (CONF / group).glob("*.yaml"):
            assert re.search(rf"\b{path.stem}\b", part[0]), f"{group}={path.stem}"
        assert not any(len(line) > 120 for line in part[0].splitlines())

    explained = re.findall(r"^  ([a-z_.]+)=\S+ ", printed.partition("Set a value")[2], re.MULTILINE)
    assert len(explained) > 5
    code, composed = vitcrypt(verb, "--cfg", "job")
    assert code == 0
    names = set()
    for name in explained:
        *_, last = name.split(".")
        names |= {name} if re.search(rf"^ *{last}:", composed, re.MULTILINE) else set()
    assert names == set(explained)


@pytest.mark.slow
def test_hydra_s_own_help_lists_its_groups(vitcrypt):
    code, printed = vitcrypt("run", "--hydra-help")
    assert code == 0
    assert re.search(r"^hydra/launcher: .*basic", printed, re.MULTILINE)
