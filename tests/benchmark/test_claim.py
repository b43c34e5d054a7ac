"""Claims as documents: what is refused and in which words, and folders of them."""

import copy
import json

import pytest
from claimed import ABSENT, ACCURACY, ATTACK, PUBLISHED, SMALL, claim, stored, with_values
from mutations import mutations

from vitcrypt.benchmark.claim import Claim
from vitcrypt.benchmark.claims import FIELDS, parse_claim, read_claims

WRONG = [
    ({"result__value": "0.5"}, "result.value: Input should be a valid number (the number, in `unit`)"),
    ({"result__value": 1.5}, "SSIM lies between -1 and 1"),
    ({"result__unit": "points"}, "result.unit"),
    ({"result__verdicts": {"secure": 1}}, "result.verdicts"),
    ({"result__verdicts": {}}, "result.verdicts: measured attacks have them"),
    ({"result__vlaue": 1}, "result.vlaue: unknown field; result.value was meant?"),
    ({"thread_model": {}}, "thread_model: unknown field; threat_model was meant?"),
    ({"threat_model": None}, "threat_model: a claim of kind attack says it"),
    ({"threat_model__holds": "a crystal ball"}, "threat_model.holds"),
    ({"kind": "accuracy"}, "threat_model: a claim of kind accuracy has none"),
    ({"n": 0}, "n: Input should be greater than or equal to 1 (over how many test images or ciphertexts)"),
    ({"scheme__name": "../mine"}, "scheme.name"),
    ({"scheme__family": "<b>braids</b>"}, "scheme.family: markup is not allowed"),
    ({"scheme__family": "\u202ebraids"}, "scheme.family: only one line of printable characters"),
    ({"notes": ["a\nb"]}, "notes.0: only one line"),
    ({"said__hardware": "${oc.env:HOME}"}, "said.hardware: interpolations"),
    ({"said__commit": "main"}, "said.commit"),
    ({"said__by": "someone"}, "said"),
    ({"format": "vitcrypt claim 2"}, "format"),
    ({"result__spread": [{"kind": "range", "over": "keys", "lower": 2.0, "upper": 1.0}]}, "lower is above upper"),
]


@pytest.mark.parametrize(("places", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_a_wrong_claim_is_refused_with_the_field_and_what_belongs_there(places, message):
    with pytest.raises(ValueError, match=r"it\.json is no claim") as refused:
        parse_claim(json.dumps(with_values(ATTACK, **places)), "it.json")
    assert message in str(refused.value)


@pytest.mark.parametrize("field", ["scheme", "key_scope", "said", "kind", "format"])
def test_what_is_missing_is_named_and_explained(field):
    content = {name: value for name, value in ATTACK.items() if name != field}
    with pytest.raises(ValueError, match=rf"{field}: missing \({FIELDS[field]}") as refused:
        parse_claim(json.dumps(content), "it.json")
    assert str(refused.value).count("missing") == 1


@pytest.mark.parametrize("url", ["http://a.org", "javascript:alert(1)", "https://a.org/\"onload='x'", "//a.org"])
def test_an_address_is_one_of_the_web(url):
    with pytest.raises(ValueError, match=r"said\.url: String should match"):
        parse_claim(json.dumps(with_values(PUBLISHED, said__url=url)), "it.json")


def test_every_field_says_what_it_is_for():
    assert len(FIELDS) > 50
    assert all(FIELDS.values())


def test_no_change_of_a_claim_does_more_than_to_be_refused():
    told = []
    for record in SMALL:
        for text in mutations(record, 60, seed=len(record)):
            try:
                assert isinstance(parse_claim(text.encode(errors="surrogatepass"), "it.json"), Claim)
            except ValueError as error:
                told.append(str(error))
    assert len(told) > 200
    assert "".join(told).isprintable()


@pytest.mark.parametrize("record", SMALL, ids=lambda record: record["kind"])
def test_a_claim_is_written_as_it_is_read(record):
    once = claim(record)
    assert parse_claim(once.text(), "it.json") == once
    assert parse_claim(once.text(), "it.json").text() == once.text()


def test_the_place_of_a_claim_follows_from_what_it_is_about_and_not_from_the_number():
    first = claim(ATTACK)
    assert first.path.parts[0] == "mine"
    assert first.path.name == f"attack-solver-digits-{first.id}.json"
    assert claim(PUBLISHED).path.parts[0] == "them2030"
    for same in ({"result__value": 0.6}, {"seeds": 3}, {"keys": 2}, {"said__commit": "abcdef0"}, {"notes": ["x"]}):
        assert claim(ATTACK, **same).path == first.path
    for other in ({"threat_model__ciphertexts": 11}, {"key_scope": "per_image"}, {"scheme__values": {"block_size": 8}}):
        assert claim(ATTACK, **other).path != first.path


def test_a_folder_is_read_and_what_is_wrong_is_left_out_with_a_line(tmp_path):
    root, claims = tmp_path / "claims", [claim(record) for record in SMALL]
    stored(root, *claims)
    (root / "mine" / "damaged.json").write_text("{")
    (root / "mine" / "elsewhere.json").write_text(claims[0].text())
    (root / "other" / "mine").mkdir(parents=True)
    (root / "other" / claims[0].path).write_text(claim(ATTACK, result__value=0.9).text())
    (tmp_path / "outside.json").write_text(claims[0].text())
    (root / "mine" / "link.json").symlink_to(tmp_path / "outside.json")
    (root / "mine" / "large.json").write_text(" " * 2**17)
    found, left_out = read_claims(root)
    assert sorted(each.id for each in found) == sorted(each.id for each in claims)
    told = "\n".join(left_out)
    assert len(left_out) == 5, told
    for word in ("damaged.json is damaged", f"belongs in {claims[0].path}", "same", "is a link", "bytes; at most"):
        assert word in told


def test_the_command_checks_a_folder(tmp_path, vitcrypt):
    good = claim(ACCURACY)
    stored(tmp_path / "claims", good)
    assert vitcrypt("leaderboard", "claims", "--check") == (0, "1 claims in order, 0 not\n")
    wrong = copy.deepcopy(ATTACK)
    wrong["result"]["value"] = 7
    (tmp_path / "claims" / "wrong.json").write_text(json.dumps(wrong))
    code, printed = vitcrypt("leaderboard", "claims", "--check")
    assert code == 1
    assert "wrong.json is no claim: result: value: SSIM lies between -1 and 1" in printed
    code, printed = vitcrypt("leaderboard", "nowhere")
    assert code == 1
    assert "no claims below nowhere" in printed


def test_a_scheme_that_cannot_be_judged_says_why():
    with pytest.raises(ValueError, match="notes: say why"):
        claim(ABSENT, notes=[])
