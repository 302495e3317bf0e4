"""Rows of the intent benchmark: means over folds, a Markdown table, a bar chart."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from maml_tf.evaluation import mean_with_interval
from maml_tf.evaluation.pictures import new_figure, save_picture
from training.common.files import read_json, write_aside

Row = dict[str, str | float | int]
KEY = ("dataset", "regime", "learner", "shots")
COLUMNS = (
    *KEY[:1],
    "fold",
    *KEY[1:],
    "accuracy",
    "ci95",
    "train_seconds",
    "adapt_milliseconds",
)


def make_row(accuracies: np.ndarray, **fields: str | float | int) -> Row:
    """One row, its accuracy a share between 0 and 1 with half its 95 % interval."""
    score = mean_with_interval(accuracies)
    row = {**fields, "accuracy": round(score.mean, 5), "ci95": round(score.ci95, 5)}
    return {name: row[name] for name in COLUMNS}


def with_means(rows: Iterable[Row]) -> list[Row]:
    """The rows of single folds, and after them one row of means for each group.

    The interval of a mean is that of all folds' episodes together: folds are fixed by
    the protocol and not drawn, so their spread is no part of it.

    Example:

    >>> rows = [dict(dataset="d", fold=f, regime="full", learner="frozen", shots=1,
    ...              accuracy=a, ci95=0.03, train_seconds=0, adapt_milliseconds=1)
    ...         for f, a in (("01", 0.8), ("02", 0.9))]
    >>> [(r["fold"], round(r["accuracy"], 3), r["ci95"]) for r in with_means(rows)][-1]
    ('mean', 0.85, 0.02121)
    """
    rows = [row for row in rows if row["fold"] != "mean"]
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in KEY)].append(row)
    means = []
    for key, members in groups.items():
        fields = dict(zip(KEY, key, strict=True))
        values = {n: np.array([m[n] for m in members], float) for n in COLUMNS[-4:]}
        half = np.sqrt(np.sum(values.pop("ci95") ** 2)) / len(members)
        row = {**fields, "fold": "mean", "ci95": round(float(half), 5)}
        row |= {name: round(float(v.mean()), 5) for name, v in values.items()}
        means.append({name: row[name] for name in COLUMNS})
    return rows + means


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Writes the rows with their means as a JSON list, one row a line."""
    lines = ",\n ".join(json.dumps(row) for row in with_means(rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, lambda p: p.write_text(f"[{lines}]\n", encoding="utf-8"))


def read_rows(path: Path) -> list[Row]:
    """The rows of single folds in a results file; none where it does not exist."""
    return [row for row in read_json(path, missing=[]) if row["fold"] != "mean"]


def markdown_table(rows: Iterable[Row]) -> str:
    """Means over folds, a learner a line, a data set, regime and shots a column."""
    means = [row for row in with_means(rows) if row["fold"] == "mean"]
    columns = list(dict.fromkeys(_column(row) for row in means))
    learners = list(dict.fromkeys(row["learner"] for row in means))
    cells = {(row["learner"], _column(row)): row for row in means}
    lines = [
        "| learner | " + " | ".join(columns) + " | training | adapting |",
        "|---|" + "---|" * (len(columns) + 2),
    ]
    for learner in learners:
        mine = [row for row in means if row["learner"] == learner]
        found = [cells.get((learner, column)) for column in columns]
        texts = [
            f"{100 * r['accuracy']:.1f} ± {100 * r['ci95']:.1f}" if r else "–"
            for r in found
        ]
        seconds = np.mean([row["train_seconds"] for row in mine])
        milliseconds = np.mean([row["adapt_milliseconds"] for row in mine])
        ends = [f"{seconds:.0f} s", f"{milliseconds:.0f} ms"]
        lines.append(f"| {learner} | " + " | ".join([*texts, *ends]) + " |")
    return "\n".join(lines) + "\n"


def _column(row: Row) -> str:
    regime = "" if row["regime"] == "full" else f" ({row['regime']})"
    return f"{row['dataset']}{regime} {row['shots']}-shot"


def plot_rows(rows: Iterable[Row], path: Path) -> None:
    """Draws the means over folds as points with their intervals into a PNG file.

    A panel for each data set and regime, a line a learner, a colour a number of shots.
    Points, for they need no axis that begins at zero.
    """
    means = [row for row in with_means(rows) if row["fold"] == "mean"]
    datasets, regimes, learners, shots = (
        list(dict.fromkeys(row[name] for row in means))
        for name in ("dataset", "regime", "learner", "shots")
    )
    height = (0.3 * len(learners) + 0.8) * len(regimes) + 0.5
    figure = new_figure(2.5 + 3.5 * len(datasets), height)
    panels = figure.subplots(
        len(regimes), len(datasets), sharex="col", sharey=True, squeeze=False
    )
    for line, regime in enumerate(regimes):
        for column, dataset in enumerate(datasets):
            panel = panels[line, column]
            for number in shots:
                mine = [
                    row
                    for row in means
                    if (row["dataset"], row["regime"], row["shots"])
                    == (dataset, regime, number)
                ]
                panel.errorbar(
                    [100 * row["accuracy"] for row in mine],
                    [learners.index(row["learner"]) for row in mine],
                    xerr=[100 * row["ci95"] for row in mine],
                    fmt="o",
                    capsize=3,
                    color=f"C{shots.index(number)}",
                    label=f"{number} example{'s' * (number > 1)} of each intent",
                )
            told = {"full": "all training texts", "low": "ten training texts a class"}
            panel.set_title(f"{dataset}, {told.get(regime, regime)}", fontsize=10)
            panel.grid(alpha=0.3)
    names = [name.replace("_", " ") for name in learners]
    panels[0, 0].set_yticks(range(len(names)), names)
    panels[0, 0].set_ylim(len(names) - 0.5, -0.5)
    for panel in panels[-1]:
        panel.set_xlabel("accuracy on unseen intents, %")
    # A panel of the grid may lack a number of shots that another has.
    found: dict[str, Any] = {}
    for panel in panels.flat:
        handles, labels = panel.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    figure.legend(
        found.values(), found, loc="outside lower center", ncols=max(len(found), 1)
    )
    write_aside(path, lambda aside: save_picture(figure, aside))
