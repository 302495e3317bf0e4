"""Rows of a table of the papers as Markdown."""

import math
from collections.abc import Iterator
from typing import Any

from training.common.tables import markdown_table


def without_infinities(nest: Any) -> Any:
    """The nest with None for numbers that JSON has no name for.

    Example:

    >>> without_infinities({"error": float("inf"), "all": [1.0, float("nan")]})
    {'error': None, 'all': [1.0, None]}
    """
    if isinstance(nest, dict):
        return {key: without_infinities(value) for key, value in nest.items()}
    if isinstance(nest, list):
        return [without_infinities(value) for value in nest]
    return None if isinstance(nest, float) and not math.isfinite(nest) else nest


def report_text(command: str, rows: list[dict[str, Any]]) -> str:
    """One line a row and setting: ours, published, budget; the command on top.

    Args:
        command: that made the rows.
        rows: each as `run_row` returns it. What is published for a setting is a number,
            for its first figure, or a dictionary by figure.

    Example:

    >>> row = {"name": "MAML", "published": {"5-shot": 0.6, "1-shot": {"bias": 0.2}},
    ...        "budget": {"meta_steps": 9}, "episodes": 2, "seed": 0,
    ...        "figures": {"5-shot": {"error": 0.5, "error_ci95": 0.1},
    ...                    "1-shot": {"error": 0.9, "error_ci95": 0.3,
    ...                               "bias": 0.4, "bias_ci95": 0.1}}}
    >>> print(report_text("x", [row]))
    `x`; 95 % intervals over test tasks.
    <BLANKLINE>
    | learner | setting | figure | ours | published | training | test tasks | seed |
    |---|---|---|---|---|---|---|---|
    | MAML | 5-shot | error | 0.50 ± 0.10 | 0.6 | meta_steps 9 | 2 | 0 |
    | MAML | 1-shot | error | 0.90 ± 0.30 |  | meta_steps 9 | 2 | 0 |
    | MAML | 1-shot | bias | 0.40 ± 0.10 | 0.2 | meta_steps 9 | 2 | 0 |
    """
    header = (
        "learner",
        "setting",
        "figure",
        "ours",
        "published",
        "training",
        "test tasks",
        "seed",
    )
    lines = [line for row in rows for line in _lines(row)]
    table = markdown_table(header, lines)
    return f"`{command}`; 95 % intervals over test tasks.\n\n{table}"


def _lines(row: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    budget = "; ".join(
        f"{key.replace('_', ' ') if ' ' in str(value) else key} {value}"
        for key, value in row["budget"].items()
    )
    for setting, figures in row["figures"].items():
        published = row["published"].get(setting, {})
        if not isinstance(published, dict):
            published = {next(iter(figures)): published}
        for name, value in figures.items():
            if f"{name}_ci95" not in figures:
                continue
            half = figures[f"{name}_ci95"]
            known = value is not None and half is not None
            yield (
                row["name"],
                setting,
                name.replace("_", " "),
                f"{value:.2f} ± {half:.2f}" if known else "diverges",
                published.get(name, ""),
                budget,
                row["episodes"],
                row["seed"],
            )
