"""Losses of people under several methods, as perplexities, differences and tables."""

from typing import Any

import numpy as np

from maml_tf.evaluation.perplexity import mean_and_half_interval, perplexity_of

from .tables import markdown_table

# name of a method, number of dialogues -> a loss a person.
Losses = dict[str, dict[int, list[float]]]


def summary_of(losses: Losses, reference: str) -> dict[str, Any]:
    """What losses say, a JSON object.

    Args:
        losses: of the same people in the same order under every method.
        reference: the method that the others are compared with, person by person.

    Example:

    >>> found = summary_of({"a": {1: [2.0, 3.0]}, "b": {1: [2.5, 3.5]}}, "a")
    >>> found["people"], found["loss_above_meta_trained"]["b"]
    ({1: 2}, {1: '+0.500 ± 0.000'})
    """
    differences: dict[str, dict[int, str]] = {}
    for name, row in losses.items():
        for k, values in row.items():
            gap = np.array(values) - np.array(losses[reference][k])
            mean, half = mean_and_half_interval(gap)
            differences.setdefault(name, {})[k] = f"{mean:+.3f} ± {half:.3f}"
    return {
        "people": {k: len(values) for k, values in losses[reference].items()},
        "perplexity": {
            name: {k: str(perplexity_of(values)) for k, values in row.items()}
            for name, row in losses.items()
        },
        "loss_above_meta_trained": differences,
        "losses": losses,
    }


def loss_tables(result: dict[str, Any]) -> str:
    """Two Markdown tables, a row a method, a column a number of dialogues.

    The first has perplexities, the second how far the loss of each person is above
    that of the meta-trained model.

    Args:
        result: what training.evaluate_persona writes.
    """
    supports = [str(k) for k in result["support"]]

    def table(head: str, cells: dict[str, dict[str, str]]) -> str:
        rows = [
            [name, *(by.get(k, "") for k in supports)] for name, by in cells.items()
        ]
        columns = [f"{k} dialogues, {result['people'][k]} people" for k in supports]
        return markdown_table([head, *columns], rows)

    perplexity = table("perplexity (95 % interval)", result["perplexity"])
    above = table("loss above meta-trained", result["loss_above_meta_trained"])
    return f"{perplexity}\n\n{above}"
