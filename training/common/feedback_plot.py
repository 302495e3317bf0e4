"""The picture of an evaluation of feedback."""

from pathlib import Path
from typing import Any

import numpy as np

from maml_tf.evaluation.perplexity import mean_and_half_interval
from maml_tf.evaluation.pictures import new_figure, save_picture


def plot_feedback(result: dict[str, Any], path: Path) -> None:
    """Draws agreement with users against pieces of feedback into a PNG file.

    Args:
        result: what training.evaluate_feedback writes.
        path: of the file.
    """
    figure = new_figure(6.5, 4)
    axes = figure.subplots()
    places = np.arange(len(result["pieces"]))
    for number, (name, row) in enumerate(result["rows"].items()):
        each = row["agreement"][row["ranking"]]
        found = [
            mean_and_half_interval(100 * np.array(each[k])) for k in result["pieces"]
        ]
        axes.errorbar(
            places + 0.05 * (number - (len(result["rows"]) - 1) / 2),
            [mean for mean, _ in found],
            yerr=[half for _, half in found],
            marker="o",
            capsize=3,
            linestyle="-" if name.endswith(", meta-trained") else "--",
            label=name,
        )
    axes.axhline(50, color="grey", linewidth=1)
    axes.set_xticks(places, [str(k) for k in result["pieces"]])
    axes.set(
        xlabel="pieces of feedback",
        ylabel="pairs ranked as the user would, %",
        title=f"{result['users']} users whose tastes were never met",
    )
    axes.grid(alpha=0.3)
    axes.legend()
    save_picture(figure, path)
