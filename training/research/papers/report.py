"""A report as JSON and as a Markdown table."""

import math
from typing import Any


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


def with_earlier_rows(
    found: list[dict[str, Any]],
    earlier: dict[str, Any],
    names: list[str],
    episodes: int,
) -> list[dict[str, Any]]:
    """The rows of this run among those of the report that it replaces.

    Args:
        found: the rows that were run now; they take the place of older ones.
        earlier: the older report, or an empty one.
        names: all names of the table, in its order; other rows are dropped.
        episodes: of this run; rows of a report with another number are dropped.

    Example:

    >>> earlier = {"episodes": 2, "rows": [{"name": "a"}, {"name": "b"}]}
    >>> with_earlier_rows([{"name": "b", "new": True}], earlier, ["a", "b"], 2)
    [{'name': 'a'}, {'name': 'b', 'new': True}]
    """
    kept = earlier.get("rows", []) if earlier.get("episodes") == episodes else []
    by_name = {row["name"]: row for row in [*kept, *found]}
    return [by_name[name] for name in names if name in by_name]


def markdown_table(report: dict[str, Any]) -> str:
    """One line a row and setting: ours, published, budget; the command on top.

    Args:
        report: `command`, `episodes` and `rows`, each as `run_row` returns it. What is
            published for a setting is a number, for its first figure, or a dictionary
            by figure.

    Example:

    >>> row = {"name": "MAML", "published": {"5-shot": 0.6, "1-shot": {"bias": 0.2}},
    ...        "budget": {"meta_steps": 9},
    ...        "figures": {"5-shot": {"error": 0.5, "error_ci95": 0.1},
    ...                    "1-shot": {"error": 0.9, "error_ci95": 0.3,
    ...                               "bias": 0.4, "bias_ci95": 0.1}}}
    >>> print(markdown_table({"command": "x", "episodes": 2, "rows": [row]}))
    `x`; 2 test tasks a figure, 95 % intervals over tasks.
    <BLANKLINE>
    | learner | setting | figure | ours | published | training |
    |---|---|---|---|---|---|
    | MAML | 5-shot | error | 0.50 ± 0.10 | 0.6 | meta_steps 9 |
    | MAML | 1-shot | error | 0.90 ± 0.30 |  | meta_steps 9 |
    | MAML | 1-shot | bias | 0.40 ± 0.10 | 0.2 | meta_steps 9 |
    """
    lines = [
        f"`{report['command']}`; {report['episodes']} test tasks a figure, "
        "95 % intervals over tasks.",
        "",
        "| learner | setting | figure | ours | published | training |",
        "|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
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
                ours = f"{value:.2f} ± {half:.2f}" if known else "diverges"
                given = published.get(name, "")
                words = name.replace("_", " ")
                lines.append(
                    f"| {row['name']} | {setting} | {words} | {ours} | {given} "
                    f"| {budget} |"
                )
    return "\n".join(lines)
