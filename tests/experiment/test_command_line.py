"""The command line: a key on it is refused in every form and place, and overrides are shown as they must be typed."""

import base64
import re
import secrets
import shlex
from itertools import cycle

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from vitcrypt.experiment.command_line import override, refuse_keys, refuse_misread, typed
from vitcrypt.keys import Key, open_key

SECRET = bytes(range(100, 132))
FORMS = {
    "hex": SECRET.hex(),
    "HEX": SECRET.hex().upper(),
    "0x": "0x" + SECRET.hex(),
    "colons": SECRET.hex(":"),
    "dashes": SECRET.hex("-", 4),
    "blanks": SECRET.hex(" ", 2),
    "base32": base64.b32encode(SECRET).decode().rstrip("="),
    "padded base32": base64.b32encode(SECRET).decode(),
    "lower-case base32": base64.b32encode(SECRET).decode().lower().rstrip("="),
    "base64": base64.b64encode(secrets.token_bytes(32)).decode(),
    "bare base64url": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="),
}
PLACES = {
    "override": ["key={}"],
    "added": ["+key={}"],
    "sweep": ["-m", "key={},test-1"],
    "second of a sweep": ["-m", "key=test-0, {}"],
    "choice": ["-m", "key=choice({},test-1)"],
    "quoted": ["key='{}'"],
    "quoted twice": ['key="{}"'],
    "blanks around": ["key= {} "],
    "another name": ["results={}"],
    "a list": ["allow_targets=[{}]"],
    "a name": ["{}=1"],
    "nested": ["model.network={{a:{}}}"],
    "option": ["encrypt", "photos", "enc", "--key-file", "{}"],
    "option with =": ["encrypt", "photos", "enc", "--key-file={}"],
    "rotate": ["rotate", "a", "b", "--old-key", "k.txt", "--new-key", "{}"],
    "argument": ["key", "check", "{}"],
    "line of a key file": ["key", "check", "secret: {}"],
    "below a folder": ["key", "show", "/keys/{}"],
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_key_in_any_form_and_place_is_refused_and_not_repeated(place):
    for form in FORMS.values():
        with pytest.raises(ValueError, match="looks like a key itself") as error:
            refuse_keys([part.format(form) for part in place])
        assert form not in str(error.value)


def test_a_key_in_several_arguments_is_refused():
    with pytest.raises(ValueError, match="looks like a key itself"):
        refuse_keys(["key", "check", *(SECRET.hex()[i : i + 8] for i in range(0, 64, 8))])


@pytest.mark.parametrize("value", [SECRET.hex()[:50], ",".join(map(str, SECRET)), SECRET.hex()[:-1] + "g"])
def test_where_a_key_file_is_meant_most_of_a_key_is_enough(value):
    with pytest.raises(ValueError, match="looks like a key itself"):
        refuse_keys([f"key=[{value}]"])


@given(st.binary(min_size=32, max_size=32))
def test_keys_are_hardly_ever_missed(secret):
    for form in (secret.hex(), base64.b32encode(secret).decode(), base64.b64encode(secret).decode()):
        with pytest.raises(ValueError, match="looks like a key itself"):
            refuse_keys([f"key=test-0,{form}"])


HARMLESS = [
    "key=test-0,test-1",
    "key=/home/somebody/keys/of the owner/2026-01-31/proposed key.txt",
    "data.root=/home/Somebody/Datasets/ImageNet/train/images",
    "data.root=/mnt/data/projects/medical-images-of-the-year-2026/encrypted/train",
    "results=results/cifar10/proposed/vit_b16/key=d4689ba554259322-seed=0-0a1b2c3d",
    "model.network.model_name=vit_base_patch16_clip_224.laion2b_ft_in12k_in1k",
    "seed=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39",
    "model.milestones=[100,200,300,400,500,600,700,800,900,1000,1100,1200,1300,1400,1500,1600,1700,1800,1900,2000]",
    "logger.group=thequickbrownfoxjumpsoverthelazydog",
    "allow_targets=[my_package.of_networks.with_a_long_name.and_another_one]",
]


@pytest.mark.parametrize("argument", HARMLESS)
def test_what_is_no_key_is_let_through(argument):
    refuse_keys(["run", "-m", argument])


@pytest.mark.parametrize("form", [SECRET.hex(), base64.b64encode(SECRET).decode().rstrip("=").replace("/", "_")])
def test_a_path_that_exists_may_be_named_by_a_digest(tmp_path, monkeypatch, form):
    (tmp_path / form).mkdir()
    monkeypatch.chdir(tmp_path)
    refuse_keys([f"data.root={tmp_path / form}", f"results='{form}/out'", "verify", form, f"data.root={form},{form}/b"])


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_in_the_variable_or_handed_to_the_library_is_refused_and_not_repeated(monkeypatch, form):
    monkeypatch.setenv("VITCRYPT_KEY_FILE", form)
    with pytest.raises(ValueError, match="VITCRYPT_KEY_FILE") as error:
        refuse_keys([])
    assert form not in str(error.value)
    with pytest.raises(ValueError, match="looks like a key itself") as error:
        open_key(form)
    assert form not in str(error.value)


def test_no_verb_writes_or_prints_a_key_from_its_command_line(vitcrypt, tmp_path):
    secret = Key.generate()._secret.hex()
    for command in (
        ("run", "-m", f"key={secret},test-0", "trainer=cpu"),
        ("attack", "-m", f"key=choice({secret},test-0)"),
        ("encrypt", "photos", "enc", "--key-file", secret),
        ("key", "new", secret),
        ("report", secret),
    ):
        code, printed = vitcrypt(*command)
        assert code == 1
        assert "looks like a key itself" in printed
        assert secret not in printed
    assert not list(tmp_path.iterdir())


VALUES = [
    "photos (1)", "a,b", "x=y", "it's", 'a"b', "both'\"", "a#b", "a&b", "~/x", "猫", "é", "set[v2]", "{a:1}", "[1]",
    "null", "2024", "true", "a b ", " a", "back\\slash", "end\\", 'end\\"', "${x}", "$HOME", "a;b",
    "key=1-seed=0-2/last.ckpt", "", "choice(1)", "glob(x)", "a:b", "plain/path_1.npz",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_an_override_that_is_shown_says_exactly_the_value(value):
    assert parsed(override("data.root", value)) == value


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12))
def test_an_override_that_is_shown_says_exactly_the_value_whatever_it_is(value):
    assert parsed(override("data.root", value)) == value


def parsed(text):
    value = OverridesParser.create().parse_override(text).value()
    return str(value).replace(r"\${", "${")


ODD = ["photos (1)", "x=y", "it's", 'a"b', "a#b", "猫", "set[v2]", "{a:1}", "[v2]", "a,b"]


@pytest.mark.parametrize(("name", "value"), list(zip(cycle(["data.root", "results", "model.weights"]), ODD)))
def test_what_the_grammar_does_not_take_is_shown_quoted(vitcrypt, name, value):
    code, printed = vitcrypt("run", "data=folder", f"{name}={value}")
    assert code == 1
    assert typed(f"{name}={value}") in printed
    assert "Traceback" not in printed
    (argument,) = shlex.split(typed(f"{name}={value}"))
    assert parsed(argument) == value


@pytest.mark.slow
def test_how_to_replace_a_part_is_said(vitcrypt):
    code, printed = vitcrypt("run", "model=vit_micro", "model.network={_target_:vitcrypt.models.ResNet18,width:8}")
    assert code == 1
    assert "'~model.network.NAME' '+model.network.width=...'" in printed
    code, printed = vitcrypt("run", "model.network.wdth=3")
    assert code == 1
    assert "'~model.network.NAME' '+model.network.wdth=...'" in printed


@pytest.mark.parametrize("override", ["model=[resnet18,vit_b16]", "trainer=[cpu,gpu]"])
def test_a_list_is_no_choice(vitcrypt, override):
    group, _, last = override.strip("]").replace("=[", ",").split(",")
    code, printed = vitcrypt("run", override)
    assert code == 1
    assert f"{group} is one choice and not a list; set {group}={last}, or" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("data=digits --multirn", "did you mean --multirun?"),
        ("--learning-rate=0.1", "without dashes: learning_rate=0.1"),
        ("data=digits -m seed=1,2", "seed=1,2 stands apart from the other settings"),
    ],
)
def test_what_hydra_would_take_otherwise_than_it_is_meant_is_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        refuse_misread(arguments.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("encryption=le data=digits encryption=ele", "encryption is given twice, and the last counts: ele, not le"),
        ("-m seed=1,2 +seed=3", "seed is given twice, and the last counts: 3, not 1,2"),
        ("--config-name a -m seed=1 seed=1 ~x=1 +x=2 hydra.mode=MULTIRUN hydra.mode=RUN", ""),
    ],
)
def test_of_two_values_for_one_name_the_last_is_taken_and_told(arguments, told, capsys):
    refuse_misread(arguments.split())
    printed = " ".join(capsys.readouterr().err.split())
    assert told in printed
    assert bool(told) == bool(printed)


TAKING_OUT = ["~model.optimizer.momentum", "~nosuch", "~data=folder", "~", "~~", "~nosuchuser/x=1"]


@pytest.mark.slow
@pytest.mark.parametrize("override", TAKING_OUT)
def test_hydra_s_syntax_for_taking_out_is_no_path(vitcrypt, override):
    code, printed = vitcrypt("run", "data=folder", "data.root=nosuch", override)
    assert code == 1
    assert "Traceback" not in printed


@pytest.mark.parametrize("option", ["data.root", "key", "model.weights", "results", "lpips_weights"])
def test_the_home_of_nobody_does_not_exist(vitcrypt, tmp_path, option):
    command = ["attack"] if option.startswith("lpips") else ["run", "model=vit_micro"]
    data = "data=folder" if option == "data.root" else "data=digits"
    code, printed = vitcrypt(*command, "encryption=le", data, f'{option}="~nosuchuser/x"')
    assert code == 1
    assert "~nosuchuser/x" in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["run", "attack", "run -m", "attack -m"])
def test_a_mistake_ends_in_our_own_words_alone(vitcrypt, verb):
    code, printed = vitcrypt(*verb.split(), "data=folder", "data.root=nosuch")
    assert code == 1
    assert "error: data.root=nosuch does not exist" in printed
    assert "Error executing job" not in printed
