"""The intent benchmark's picture."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from maml_tf.evaluation.pictures import new_figure, save_picture
from training.common.files import write_aside
from training.research.intents.benchmark_rows import (
    PROTOCOL,
    Row,
    learner_names,
    means,
    values_of,
)


def plot_rows(rows: Iterable[Row], path: Path) -> None:
    """Draws the means over folds as points with their intervals into a PNG file.

    A panel for each data set and regime, a line a learner, a colour a number of shots.
    Points, for they need no axis that begins at zero. Of several protocols the one
    with the most rows is drawn.
    """
    found = means(rows)
    counts = Counter(values_of(row, PROTOCOL) for row in found)
    ((protocol, _),) = counts.most_common(1)
    found = [row for row in found if values_of(row, PROTOCOL) == protocol]
    name_of = learner_names(found)
    datasets, regimes, shots = (
        list(dict.fromkeys(row[name] for row in found))
        for name in ("dataset", "regime", "shots")
    )
    learners = list(dict.fromkeys(name_of(row) for row in found))
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
                    for row in found
                    if (row["dataset"], row["regime"], row["shots"])
                    == (dataset, regime, number)
                ]
                panel.errorbar(
                    [100 * row["accuracy"] for row in mine],
                    [learners.index(name_of(row)) for row in mine],
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
    shown: dict[str, Any] = {}
    for panel in panels.flat:
        handles, labels = panel.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    figure.legend(
        shown.values(), shown, loc="outside lower center", ncols=max(len(shown), 1)
    )
    write_aside(path, lambda aside: save_picture(figure, aside))
