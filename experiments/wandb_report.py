"""Build the dashboard of a sweep at Weights & Biases from code: Table I as bars, curves, classes, what the server saw.

    python -m vitcrypt.run --config-dir experiments --config-name table1 logger=wandb
    pip install wandb-workspaces
    python experiments/wandb_report.py --entity NAME [--project vitcrypt]

Runs carry what it needs without hand work: their group is the data set, their tags are data, encryption, network and
adaptation network, the summary holds every measure of the test. It needs an account; `vitcrypt report html` does not.
Written for wandb-workspaces 0.4, and checked up to the point where it asks for the account.
"""

import argparse

import wandb_workspaces.reports.v2 as wr


def report(entity: str, project: str) -> wr.Report:
    """Return the report, not yet saved."""
    blocks: list = [
        wr.H1("Table I"),
        wr.P(
            "Test accuracy after the last epoch. Nothing is chosen by the test images. See also: vitcrypt report table1"
        ),
    ]
    for data in ("cifar10", "cifar100"):
        runs = wr.Runset(
            entity=entity,
            project=project,
            name=data,
            filters=f"Config('names.data') = '{data}'",
            groupby=["config.names.encryption", "config.names.model", "config.model.adaptation"],
        )
        panels = [
            wr.BarPlot(title="Test accuracy", metrics=["test/acc"]),
            wr.LinePlot(title="Accuracy in training", x="epoch", y=["train/acc"]),
            wr.LinePlot(title="Accuracy on held-out images", x="epoch", y=["val/acc"]),
            wr.LinePlot(title="Loss", x="epoch", y=["train/loss", "val/loss"]),
            wr.MediaBrowser(title="What the server saw", media_keys=["images", "confusion"]),
        ]
        blocks += [wr.H2(data.upper().replace("CIFAR", "CIFAR-")), wr.PanelGrid(runsets=[runs], panels=panels)]
    return wr.Report(entity=entity, project=project, title="Table I of vitcrypt", blocks=blocks)


def main() -> None:
    """Save the report and print its address."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entity", required=True, help="your account or team")
    parser.add_argument("--project", default="vitcrypt")
    arguments = parser.parse_args()
    made = report(arguments.entity, arguments.project)
    made.save()
    print(made.url)


if __name__ == "__main__":
    main()
