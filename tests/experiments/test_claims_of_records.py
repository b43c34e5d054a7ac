"""The claims in this repository: what its records and published tables give, and nothing else."""

import statistics

import claims
import pytest

from vitcrypt.benchmark.claims import read_claims
from vitcrypt.benchmark.measured import claims_of
from vitcrypt.encryption import SCHEMES
from vitcrypt.report.results import attacked, read_results


@pytest.fixture(scope="module")
def made():
    return claims.claims()


@pytest.mark.slow
def test_every_claim_is_what_the_records_and_tables_give(made):
    found, left_out = read_claims(claims.CLAIMS)
    assert not left_out
    assert {each.path: each.text() for each in found if claims.ours(each)} == {each.path: each.text() for each in made}
    assert all((claims.CLAIMS / each.path).read_text() == each.text() for each in found)


def test_a_claim_over_ten_keys_is_the_median_of_its_records(made):
    (one,) = [c for c in made if c.by == "jigsaw" and c.scheme.name == "etc" and c.held == 3]
    results = attacked(read_results(claims.ROOT / "experiments" / "records" / "break_curve")[0])
    same = [r for r in results if r.config.names.attack == "jigsaw" and r.threat_model.ciphertexts == 3]
    assert len(same) == one.seeds == one.keys == sum(one.number.verdicts.values()) == 10
    assert one.number.value == pytest.approx(statistics.median(r.metrics.restored.best.median for r in same))


def test_every_measured_claim_has_a_command_of_a_configuration_here(made):
    for each in made:
        if not each.published:
            words = each.said.command.split()
            assert (claims.ROOT / each.said.records).is_dir()
            if words[:2] == ["vitcrypt", "benchmark"]:
                assert words[2] in SCHEMES
                continue
            if "--config-name" not in words:  # what conf/ alone says
                assert words[:2] == ["vitcrypt", "attack"]
                continue
            assert (claims.ROOT / "experiments" / f"{words[words.index('--config-name') + 1]}.yaml").exists()


def test_claims_of_several_owners_name_their_number_and_are_apart():
    results = read_results(claims.ROOT / "experiments" / "records" / "owners")[0]
    said = {"by": "measured", "commit": "0123abc", "hardware": "a machine", "command": "vitcrypt run keys=5"}
    found = [each for each in claims_of(results, {}, lambda _: said) if each.kind == "accuracy"]
    assert {(each.scheme.values.get("keys"), each.key_scope, each.keys) for each in found} == {
        *((number, "per_client", number) for number in (1, 2, 5, 20, 100, 400, 1000)),
        (None, "per_image", 1),
    }
    assert len({each.path for each in found}) == len(found)


def test_a_changed_number_is_found_and_claims_of_others_stay(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(claims, "ROOT", tmp_path)
    monkeypatch.setattr(claims, "CLAIMS", tmp_path / "claims")
    monkeypatch.setattr(claims, "claims", lambda: made[:2])
    theirs = made[2].model_copy(update={"said": made[2].said.model_copy(update={"records": None})})
    typed = made[0].model_copy(update={"result": made[0].number.model_copy(update={"value": 99.9})})
    for each in (theirs, typed, made[3]):
        path = tmp_path / "claims" / each.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(each.text())
    for arguments, code in ((["--check"], 1), ([], 0), (["--check"], 0)):
        monkeypatch.setattr("sys.argv", ["claims.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            claims.main()
        assert ended.value.code == code, capsys.readouterr().out
    kept = {path.read_text() for path in (tmp_path / "claims").rglob("*.json")}
    assert kept == {made[0].text(), made[1].text(), theirs.text()}
