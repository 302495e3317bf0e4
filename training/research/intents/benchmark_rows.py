"""Rows of the intent benchmark: their identity, means over folds, tables."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maml_tf.evaluation import mean_with_interval
from training.common.result_rows import ResultRows
from training.common.rotation_settings import RotationSettings
from training.common.tables import markdown_table, percent

Row = dict[str, Any]
MEAN = "mean"


@dataclass(frozen=True)
class RowSettings:
    """Everything chosen that a row depends on; the texts and weights are content.

    Attributes:
        dataset, fold, regime, learner, shots: the row's place in the table.
        base_learner, pretrained: the encoder.
        ways, queries, episodes, seed, judge_on: the protocol.
        first_layer: of the cut.
        encoder, projection: trainings that the learner has, None for the others.
        chosen_by: numbers of shots by which it was chosen how far a training goes.
    """

    dataset: str
    fold: str
    regime: str
    learner: str
    shots: int
    base_learner: str
    pretrained: str
    ways: int
    queries: int
    episodes: int
    seed: int
    judge_on: str
    first_layer: int
    encoder: RotationSettings | None
    projection: RotationSettings | None
    chosen_by: tuple[int, ...]


MEASURED = ("accuracy", "ci95", "train_seconds", "adapt_milliseconds")
# What a row is of: one row a place, and the newest stays.
PLACE = (
    "dataset",
    "fold",
    "regime",
    "learner",
    "shots",
    "base_learner",
    "pretrained",
)
# Means and tables are of rows that share these.
PROTOCOL = ("ways", "queries", "episodes", "seed", "judge_on")
COLUMNS = (*PLACE[:5], *MEASURED, *PLACE[5:], *PROTOCOL)
GROUP = tuple(name for name in (*PLACE, *PROTOCOL) if name != "fold")


class BenchmarkRows(ResultRows):
    """The rows in a results file; after every change the means over folds beside them.

    Args:
        path: of the JSON file. Rows in it that do not say what they depend on, those of
            earlier versions, are left out.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, place=PLACE, derive=means)

    def rows(self) -> list[Row]:
        """The rows of single folds."""
        return [{name: row[name] for name in COLUMNS} for row in self.all()]


def make_row(
    settings: RowSettings, accuracies: np.ndarray, seconds: float, milliseconds: float
) -> Row:
    """One row, its accuracy a share between 0 and 1 with half its 95 % interval."""
    score = mean_with_interval(accuracies)
    row = asdict(settings) | {
        "accuracy": round(score.mean, 5),
        "ci95": round(score.ci95, 5),
        "train_seconds": round(seconds, 1),
        "adapt_milliseconds": round(milliseconds, 1),
    }
    return {name: row[name] for name in COLUMNS}


def means(rows: Iterable[Row]) -> list[Row]:
    """One row of means over folds for each learner, number of shots and protocol.

    The interval of a mean is that of all folds' episodes together: folds are fixed by
    the protocol and not drawn, so their spread is no part of it.

    Example:

    >>> same = dict.fromkeys(COLUMNS, 1)
    >>> rows = [{**same, "fold": f, "accuracy": a, "ci95": 0.03}
    ...         for f, a in (("01", 0.8), ("02", 0.9))]
    >>> [(r["fold"], round(r["accuracy"], 3), r["ci95"]) for r in means(rows)]
    [('mean', 0.85, 0.02121)]
    """
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in GROUP)].append(row)
    found = []
    for members in groups.values():
        values = {n: np.array([m[n] for m in members], float) for n in MEASURED}
        half = np.sqrt(np.sum(values.pop("ci95") ** 2)) / len(members)
        row = {**members[0], "fold": MEAN, "ci95": round(float(half), 5)}
        row |= {name: round(float(v.mean()), 5) for name, v in values.items()}
        found.append({name: row[name] for name in COLUMNS})
    return found


def tables(rows: Iterable[Row]) -> str:
    """Means over folds, a learner a line, a data set, regime and shots a column.

    Rows of two protocols, say of other seeds, are no one table: each has its own.
    """
    found = means(rows)
    protocols = list(dict.fromkeys(values_of(row, PROTOCOL) for row in found))
    parts = []
    for protocol in protocols:
        mine = [row for row in found if values_of(row, PROTOCOL) == protocol]
        told = dict(zip(PROTOCOL, protocol, strict=True))
        caption = (
            f"{told['episodes']} {told['judge_on']} episodes of {told['ways']} ways "
            f"and {told['queries']} queries a fold, seed {told['seed']}:\n\n"
        )
        parts.append(caption + _table(mine))
    return "\n\n".join(parts) + "\n"


def _table(rows: list[Row]) -> str:
    name_of = learner_names(rows)
    columns = list(dict.fromkeys(_column(row) for row in rows))
    learners = list(dict.fromkeys(name_of(row) for row in rows))
    cells = {(name_of(row), _column(row)): row for row in rows}
    lines = []
    for learner in learners:
        mine = [row for row in rows if name_of(row) == learner]
        found = [cells.get((learner, column)) for column in columns]
        seconds = np.mean([row["train_seconds"] for row in mine])
        milliseconds = np.mean([row["adapt_milliseconds"] for row in mine])
        lines.append(
            [
                learner,
                *(percent(r["accuracy"], r["ci95"]) if r else "–" for r in found),
                f"{seconds:.0f} s",
                f"{milliseconds:.0f} ms",
            ]
        )
    return markdown_table(["learner", *columns, "training", "adapting"], lines)


def learner_names(rows: Iterable[Row]) -> Callable[[Row], str]:
    """How lines are called: with the encoder where the rows are of several."""
    several = len({values_of(row, PLACE[5:]) for row in rows}) > 1

    def name(row: Row) -> str:
        if not several:
            return row["learner"]
        return f"{row['learner']}, {row['base_learner']} {row['pretrained']}"

    return name


def values_of(row: Row, names: tuple[str, ...]) -> tuple:
    """Some fields of a row, to compare by."""
    return tuple(row[name] for name in names)


def _column(row: Row) -> str:
    regime = "" if row["regime"] == "full" else f" ({row['regime']})"
    return f"{row['dataset']}{regime} {row['shots']}-shot"
