"""The intent benchmark's picture."""

from collections import Counter, defaultdict
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

    A panel for each data set and regime, with the learners it has, a colour a number of
    shots. Points, for they need no axis that begins at zero. Of several protocols the
    one with the most rows is drawn.
    """
    found = means(rows)
    counts = Counter(values_of(row, PROTOCOL) for row in found)
    ((protocol, _),) = counts.most_common(1)
    found = [row for row in found if values_of(row, PROTOCOL) == protocol]
    name_of = learner_names(found)
    shots = list(dict.fromkeys(row["shots"] for row in found))
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in found:
        groups[row["dataset"], row["regime"]].append(row)
    lines = {
        place: list(dict.fromkeys(name_of(row) for row in rows))
        for place, rows in groups.items()
    }
    sizes = [len(names) + 2 for names in lines.values()]
    figure = new_figure(8.0, 0.27 * sum(sizes) + 0.6)
    panels = figure.subplots(
        len(groups), 1, squeeze=False, gridspec_kw={"height_ratios": sizes}
    )
    told = {"full": "all training texts", "low": "ten training texts a class"}
    for panel, (place, rows) in zip(panels.flat, groups.items(), strict=True):
        dataset, regime = place
        for number in shots:
            mine = [row for row in rows if row["shots"] == number]
            panel.errorbar(
                [100 * row["accuracy"] for row in mine],
                [lines[place].index(name_of(row)) for row in mine],
                xerr=[100 * row["ci95"] for row in mine],
                fmt="o",
                capsize=3,
                color=f"C{shots.index(number)}",
                label=f"{number} example{'s' * (number > 1)} of each intent",
            )
        panel.set_title(f"{dataset}, {told.get(regime, regime)}", fontsize=10)
        panel.grid(alpha=0.3)
        names = [name.replace("_", " ") for name in lines[place]]
        panel.set_yticks(range(len(names)), names, fontsize=8)
        panel.set_ylim(len(names) - 0.5, -0.5)
    panels[-1, 0].set_xlabel("accuracy on unseen intents, %")
    # A panel may lack a number of shots that another has.
    shown: dict[str, Any] = {}
    for panel in panels.flat:
        handles, labels = panel.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    figure.legend(
        shown.values(), shown, loc="outside lower center", ncols=max(len(shown), 1)
    )
    write_aside(path, lambda aside: save_picture(figure, aside))
