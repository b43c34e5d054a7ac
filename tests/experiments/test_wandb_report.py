"""The dashboard of a sweep, as Weights & Biases' own objects hold it; nothing is sent."""

import pytest


def test_every_data_set_has_its_runs_and_panels(monkeypatch):
    interface = pytest.importorskip("wandb_workspaces.reports.v2.interface")
    import wandb_report

    monkeypatch.setattr(interface, "_get_api", lambda: None)  # it would ask who one is
    monkeypatch.setattr(
        interface,
        "execute_graphql",
        lambda *arguments: {"project": {"internalId": "1"}},
    )
    made = wandb_report.report("someone", "vitcrypt", ["digits", "mine"])
    assert made.title == "Runs on digits, mine of vitcrypt"
    text = made._to_model().spec.model_dump_json()
    for shown in ("digits", "mine", "test/acc", "train/loss", "val/acc", "confusion"):
        assert shown in text
    assert text.count("What the server saw") == 2
    assert wandb_report.report("someone", "vitcrypt").title == "Table I of vitcrypt"
