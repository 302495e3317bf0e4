"""The table and the picture of what was measured on streams of intents."""

from pathlib import Path
from typing import Any

from maml_tf.evaluation.pictures import new_figure, save_picture
from training.common.files import write_aside
from training.common.tables import markdown_table, percent

Row = dict[str, Any]
# Ends the names of methods that are told the names of intents.
NAMED = "names as well"
HEADER = (
    *("corpus", "examples", "method", "accuracy", "forgetting", "beyond joint"),
    *("backward", "forward", "last arrival, s", "MB"),
)


def write_report(rows: list[Row], path: Path) -> None:
    """Writes a Markdown file and a picture beside the JSON file, and prints the first.

    Args:
        rows: of every kind.
        path: of the JSON file.
    """
    text = "\n\n".join([streams_table(rows), teaching_table(rows), users_table(rows)])
    write_aside(path.with_suffix(".md"), lambda aside: aside.write_text(text + "\n"))
    print(text)
    _draw(rows, path.with_suffix(".png"))


def streams_table(rows: list[Row]) -> str:
    """Methods as lines; in points but for seconds and megabytes.

    Example:

    >>> row = {"corpus": "C", "kind": "stream", "examples": 5, "method": "f joint",
    ...        "accuracy": 0.9, "forgetting": 0.05, "backward": -0.05, "forward": 0.0,
    ...        "seconds": [0.1, 0.2], "megabytes": 1.0}
    >>> print(streams_table([row]).splitlines()[-1])
    | C | 5 | f joint | 90.0 | 5.0 | 0.0 | -5.0 | 0.0 | 0.20 | 1.0 |
    """
    streams = sorted(
        (row for row in rows if row["kind"] == "stream"),
        key=lambda row: (row["corpus"], row["examples"], row["method"]),
    )
    joint = {
        _ceiling(row): row["forgetting"]
        for row in streams
        if row["method"].startswith("f ")
    }
    lines = []
    for row in streams:
        ceiling = joint.get(_ceiling(row))
        beyond = None if ceiling is None else row["forgetting"] - ceiling
        lines.append(
            [
                row["corpus"],
                row["examples"],
                row["method"],
                percent(row["accuracy"]),
                _points(row["forgetting"]),
                _points(beyond),
                _points(row["backward"]),
                _points(row["forward"]),
                f"{row['seconds'][-1]:.2f}",
                f"{row['megabytes']:.1f}",
            ]
        )
    return markdown_table(HEADER, lines)


def teaching_table(rows: list[Row]) -> str:
    """Mistakes of teachers as lines."""
    header = ("corpus", "examples", "mistakes", "accuracy", "doubtful left out")
    return markdown_table(
        (*header, "mistakes pointed out", "false alarms"),
        [
            [
                row["corpus"],
                row["examples"],
                row["method"],
                percent(row["accuracy"]),
                percent(row["guarded"]),
                "" if row["pointed_out"] is None else percent(row["pointed_out"]),
                percent(row["false_alarms"]),
            ]
            for row in rows
            if row["kind"] == "teaching"
        ],
    )


def users_table(rows: list[Row]) -> str:
    """Users' corrections as lines, one number of them each."""
    header = ("corpus", "labels", "questions asked", "corrections", "random labels")
    lines, seen = [], set()
    for row in rows:
        if row["kind"] != "corrections" or row["corpus"] in seen:
            continue
        seen.add(row["corpus"])
        lines += [
            [
                row["corpus"],
                round(point["count"]),
                round(point["asked"]),
                percent(point["corrections"]),
                percent(point["random"]),
            ]
            for point in row["points"]
        ]
    times = [
        f"{row['corpus']}: one more intent of 5 sentences takes "
        + ", ".join(
            f"{value:.3f} s as intent {name.removeprefix('seconds_at_')}"
            for name, value in row.items()
            if name.startswith("seconds_at_")
        )
        + "."
        for row in rows
        if row["kind"] == "time"
    ]
    return "\n\n".join([markdown_table(header, lines), *times])


def _ceiling(row: Row) -> tuple[str, int, bool]:
    """What the joint training that a row is held against shares with it."""
    return row["corpus"], row["examples"], row["method"].endswith(NAMED)


def _points(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}".replace("-0.0", "0.0")


def _draw(rows: list[Row], path: Path) -> None:
    corpora = sorted({row["corpus"] for row in rows if row["kind"] == "stream"})
    figure = new_figure(12, 4.2 * len(corpora))
    for line, corpus in zip(
        figure.subplots(len(corpora), 2, squeeze=False), corpora, strict=True
    ):
        own = [row for row in rows if row["corpus"] == corpus]
        streams = [row for row in own if row["kind"] == "stream"]
        fewest = min(row["examples"] for row in streams)
        for row in sorted(streams, key=lambda row: row["method"]):
            if row["examples"] == fewest:
                percents = [100 * share for share in row["curve"]]
                arrivals = range(1, len(percents) + 1)
                line[0].plot(arrivals, percents, marker=".", label=row["method"])
        line[0].set(
            xlabel="groups of intents that have arrived",
            ylabel="questions understood, %",
            title=f"{corpus}, {fewest} examples an intent: accuracy on all so far",
        )
        line[0].legend(fontsize=7, loc="lower left")
        for row in [row for row in own if row["kind"] == "corrections"][:1]:
            for name in ("corrections", "random"):
                line[1].plot(
                    [point["count"] for point in row["points"]],
                    [100 * point[name] for point in row["points"]],
                    marker="o",
                    label={"random": "random labels"}.get(name, "users' corrections"),
                )
        line[1].set(
            xlabel="labels given, after one example an intent",
            ylabel="questions understood, %",
            title=f"{corpus}: what users' corrections bring",
        )
        line[1].legend()
        for axes in line:
            axes.grid(alpha=0.3)
    save_picture(figure, path)
