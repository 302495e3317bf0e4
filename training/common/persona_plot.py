"""The picture of an evaluation of people."""

import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from maml_tf.evaluation.perplexity import mean_and_half_interval
from maml_tf.evaluation.pictures import new_figure, save_picture


def plot_persona(result: dict[str, Any], path: Path) -> None:
    """Draws perplexity against dialogues of a person into a PNG file.

    Args:
        result: what training.evaluate_persona writes.
        path: of the file.
    """
    figure = new_figure(7.5, 4.5)
    axes = figure.subplots()
    # More lines than the usual ten colours; dark ones first.
    colour_of = matplotlib.colormaps["tab20"]
    axes.set_prop_cycle(
        color=[colour_of(n) for n in (*range(0, 20, 2), *range(1, 20, 2))]
    )
    places = np.arange(len(result["support"]))
    for number, (name, by_support) in enumerate(result["losses"].items()):
        found = [mean_and_half_interval(by_support[k]) for k in by_support]
        middle = np.array([math.exp(mean) for mean, _ in found])
        ends = np.array(
            [[math.exp(mean - half), math.exp(mean + half)] for mean, half in found]
        )
        axes.errorbar(
            places + 0.04 * (number - (len(result["losses"]) - 1) / 2),
            middle,
            yerr=np.abs(ends.T - middle),
            marker="o",
            capsize=3,
            linestyle="-" if name.startswith("meta-trained") else "--",
            label=name,
        )
    axes.set_xticks(places, [str(k) for k in result["support"]])
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    ticks = [
        t for t in (5, 7, 10, 14, 20, 28, 40, 57, 80, 113, 160) if low <= t <= high
    ]
    axes.set_yticks(ticks, [str(t) for t in ticks])
    axes.minorticks_off()
    people = len(next(iter(next(iter(result["losses"].values())).values())))
    axes.set(
        xlabel="dialogues of the person",
        ylabel="perplexity of what they say elsewhere",
        title=f"{people} people who were never met",
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    save_picture(figure, path)
