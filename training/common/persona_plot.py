"""The picture of an evaluation of people."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from maml_tf.evaluation.perplexity import mean_and_half_interval
from maml_tf.evaluation.pictures import new_figure, save_picture

TICKS = (5, 7, 10, 14, 20, 28, 40, 57, 80, 113, 160, 226, 320)


def plot_persona(result: dict[str, Any], path: Path) -> None:
    """Draws perplexity against dialogues of a person, and against steps, as PNG.

    Args:
        result: what training.evaluate_persona writes.
        path: of the file.
    """
    figure = new_figure(12.5, 4.8)
    by_dialogues, by_steps = figure.subplots(1, 2, sharey=True)
    rows, people = result["losses"], result["people"]
    supports = [str(k) for k in result["support"]]
    middle = str(result["middle_support"])
    _draw(
        by_dialogues,
        {name: [rows[name][k] for k in supports] for name in _shown(result)},
        [f"{k}\n({people[k]} people)" for k in supports],
    )
    by_dialogues.set(
        xlabel="dialogues of the person",
        ylabel="perplexity of what they say elsewhere",
        title="people who were never met",
    )
    _draw(
        by_steps,
        {
            name: [rows[of_step][middle] for of_step in of_steps]
            for name, of_steps in _by_steps(result).items()
        },
        [str(step) for step in (0, *result["inner_steps"])],
    )
    by_steps.set(xlabel=f"steps on {middle} dialogues", title="step by step")
    handles = by_dialogues.get_legend_handles_labels()
    figure.legend(*handles, fontsize=7, loc="outside right upper")
    by_steps.legend(fontsize=7)
    save_picture(figure, path)


def _after(result: dict[str, Any], name: str, step: int) -> str:
    """The row of a method after so many steps; with one number it has none in it."""
    row = f"{name}, {step} steps"
    return row if row in result["losses"] else name


def _shown(result: dict[str, Any]) -> list[str]:
    """The rows whose steps were chosen, and those without steps."""
    chosen = {n: tuning["steps"] for n, tuning in result["fine_tuning"].items()}
    own = result["settings"]["inner_steps"]
    tuned = [_after(result, name, step) for name, step in chosen.items()]
    kept = {*tuned, "meta-trained, 0 steps", f"meta-trained, {own} steps"}
    stepped = ("meta-trained, ", *chosen)
    return [
        name
        for name in result["losses"]
        if name in kept or name.endswith("in context") or not name.startswith(stepped)
    ]


def _by_steps(result: dict[str, Any]) -> dict[str, list[str]]:
    """Each method's rows from no step to the most."""
    starts = {
        "fine-tuned a person": "pretrained",
        "tuned on all, then a person": "tuned on all",
        "meta-trained": "meta-trained, 0 steps",
    }
    return {
        name: [start, *(_after(result, name, step) for step in result["inner_steps"])]
        for name, start in starts.items()
        if start in result["losses"]
    }


def _draw(axes: Any, lines: dict[str, list[Any]], labels: Sequence[str]) -> None:
    """Lines of people's losses with their intervals, beside each other."""
    # More lines than the usual ten colours; dark ones first.
    colour_of = matplotlib.colormaps["tab20"]
    axes.set_prop_cycle(
        color=[colour_of(n) for n in (*range(0, 20, 2), *range(1, 20, 2))]
    )
    places = np.arange(len(labels))
    for number, (name, losses) in enumerate(lines.items()):
        found = [mean_and_half_interval(each) for each in losses]
        middle = np.array([math.exp(mean) for mean, _ in found])
        ends = np.array(
            [[math.exp(mean - half), math.exp(mean + half)] for mean, half in found]
        )
        axes.errorbar(
            places + 0.04 * (number - (len(lines) - 1) / 2),
            middle,
            yerr=np.abs(ends.T - middle),
            marker="o",
            capsize=3,
            linestyle="-" if name.startswith("meta-trained") else "--",
            label=name,
        )
    axes.set_xticks(places, labels)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
