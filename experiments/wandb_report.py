"""Build the dashboard of a sweep at Weights & Biases: accuracy as bars, curves, classes, what the server saw.

    python -m vitcrypt.run -m encryption=plain,le,proposed data=digits model=vit_micro logger=wandb
    pip install wandb-workspaces
    python experiments/wandb_report.py --entity NAME [--project vitcrypt] --data digits

Without --data it is that of Table I (`--config-name table1`): CIFAR-10 and CIFAR-100, a part for each.

Runs carry what it needs without hand work: their group is the data set, their tags are data, encryption, network and
adaptation network, the summary holds every measure of the test. It needs an account; `vitcrypt report html` does not.
Written for wandb-workspaces 0.4; a test builds it from that package's objects, without an account, and saves nothing.
"""

import argparse
from collections.abc import Sequence

import wandb_workspaces.reports.v2 as wr

TABLE1 = ("cifar10", "cifar100")


def report(entity: str, project: str, names: Sequence[str] = TABLE1) -> wr.Report:
    """Return the report of the runs on some data sets, by `names.data`; not yet saved."""
    title = "Table I" if names == TABLE1 else f"Runs on {', '.join(names)}"
    blocks: list = [
        wr.H1(title),
        wr.P(
            "Test accuracy after the last epoch. Nothing is chosen by the test images. See also: vitcrypt report html"
        ),
    ]
    for data in names:
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
    return wr.Report(entity=entity, project=project, title=f"{title} of vitcrypt", blocks=blocks)


def main() -> None:
    """Save the report and print its address."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entity", required=True, help="your account or team")
    parser.add_argument("--project", default="vitcrypt")
    parser.add_argument("--data", nargs="+", default=TABLE1, help="names of the data sets of the sweep")
    arguments = parser.parse_args()
    made = report(arguments.entity, arguments.project, arguments.data)
    made.save()
    print(made.url)


if __name__ == "__main__":
    main()
