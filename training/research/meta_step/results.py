"""From timings to rows, tables for the documentation and a picture."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from training.common.files import write_aside
from training.common.run import digest_of
from training.common.tables import markdown_table
from training.research.meta_step.contenders import CONTENDERS, is_ours
from training.research.meta_step.workloads import WORKLOADS, Workload

Row = dict[str, Any]
# All contenders of a workload and K are timed in one run, so a new one replaces all.
PLACE = ("workload", "inner_steps")


def sizes_digest(workload: Workload, inner_steps: int) -> str:
    """Of the sizes that a row was measured at."""
    return digest_of(replace(workload, inner_steps=(inner_steps,)), {})


def make_row(workload: str, inner_steps: int, contender: str, timing: dict) -> Row:
    """One line of the results file."""
    return {
        "workload": workload,
        "contender": contender,
        "inner_steps": inner_steps,
        "steps_per_second": timing["steps_per_second"],
        "peak_memory_mb": timing["peak_memory_mb"],
        "first_step_seconds": timing["first_step_seconds"],
        "matmul_fraction": timing["matmul_fraction"],
    }


def ratio_to_fastest_peer(row: Row, rows: list[Row]) -> float | None:
    """How many times as fast as the fastest peer at the same workload and K.

    Example:

    >>> rows = [{"workload": "W1", "inner_steps": 5, "contender": name,
    ...          "steps_per_second": speed}
    ...         for name, speed in (("ours", 3.0), ("jax", 1.0), ("torch_loop", 2.0))]
    >>> ratio_to_fastest_peer(rows[0], rows)
    1.5
    """
    peers = [
        other["steps_per_second"]
        for other in rows
        if (other["workload"], other["inner_steps"])
        == (row["workload"], row["inner_steps"])
        and not is_ours(other["contender"])
    ]
    return row["steps_per_second"] / max(peers) if peers else None


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table.

    Example:

    >>> row = {"workload": "W4", "contender": "jax", "inner_steps": 5,
    ...        "steps_per_second": 0.5, "peak_memory_mb": 1000.0,
    ...        "first_step_seconds": 9.0, "matmul_fraction": 0.25}
    >>> table([row]).splitlines()[2].split(" | ")[3:]
    ['0.50', '1.00', '1000', '9', '25 % |']
    """
    header = (
        "workload",
        "K",
        "contender",
        "meta-steps a second",
        "times the fastest peer",
        "peak memory, MiB",
        "first step, s",
        "of the matrix-product rate",
    )
    lines = []
    for row in rows:
        ratio = ratio_to_fastest_peer(row, rows)
        title = CONTENDERS[row["contender"]].title
        lines.append(
            (
                row["workload"],
                row["inner_steps"],
                f"**{title}**" if is_ours(row["contender"]) else title,
                f"{row['steps_per_second']:.2f}",
                "" if ratio is None else f"{ratio:.2f}",
                f"{row['peak_memory_mb']:.0f}",
                f"{row['first_step_seconds']:.0f}",
                f"{row['matmul_fraction']:.0%}".replace("%", " %"),
            )
        )
    return markdown_table(header, lines)


def summary(rows: list[Row]) -> str:
    """The best of ours beside the fastest peer, a line a workload and K, as Markdown.

    Example:

    >>> row = {"workload": "W4", "inner_steps": 5, "contender": "ours",
    ...        "steps_per_second": 2.0, "peak_memory_mb": 1000.0}
    >>> peer = {**row, "contender": "higher", "steps_per_second": 0.5}
    >>> print(summary([row, peer]).splitlines()[2])
    | W4 | 5 | graph mode, 0.50 s | PyTorch, higher, 2.00 s | 4.00 | 1000, 1000 |
    """
    header = (
        "workload",
        "K",
        "the fastest of ours",
        "the fastest peer",
        "times as fast",
        "peak memory, MiB, ours and theirs",
    )
    lines = []
    for place in dict.fromkeys((row["workload"], row["inner_steps"]) for row in rows):
        mine = [r for r in rows if (r["workload"], r["inner_steps"]) == place]
        best = [
            max(side, key=lambda row: row["steps_per_second"])
            for side in (
                [row for row in mine if is_ours(row["contender"])],
                [row for row in mine if not is_ours(row["contender"])],
            )
            if side
        ]
        if len(best) < 2:
            continue
        ours, peer = best
        lines.append(
            (
                *place,
                f"{_title(ours)}, {1 / ours['steps_per_second']:.2f} s",
                f"{_title(peer)}, {1 / peer['steps_per_second']:.2f} s",
                f"{ours['steps_per_second'] / peer['steps_per_second']:.2f}",
                f"{ours['peak_memory_mb']:.0f}, {peer['peak_memory_mb']:.0f}",
            )
        )
    return markdown_table(header, lines)


def _title(row: Row) -> str:
    return CONTENDERS[row["contender"]].title.removeprefix("maml_tf, ")


def plot(rows: list[Row], path: Path) -> None:
    """Speed by workload as bars; memory and first step over the inner steps of W2.

    W1, at another inner rate and unrolled, is no point of W2's lines.
    """
    # Imported here: the table needs no TensorFlow.
    from maml_tf.evaluation.pictures import new_figure, save_picture

    curve = [row for row in rows if row["workload"] == "W2"]
    bars = [row for row in rows if row["workload"] != "W2"]
    names = [name for name in CONTENDERS if any(r["contender"] == name for r in rows)]
    colours = {name: f"C{index}" for index, name in enumerate(names)}
    figure = new_figure(15, 5.5)
    speed, memory, start = figure.subplots(1, 3)
    groups = [name for name in WORKLOADS if any(r["workload"] == name for r in bars)]
    handles = {}
    for row in bars:
        name = row["contender"]
        ratio = ratio_to_fastest_peer(row, rows)
        place = groups.index(row["workload"])
        shift = (names.index(name) + 0.5) / len(names) - 0.5
        handles[name] = speed.bar(
            place + 0.9 * shift,
            row["steps_per_second"] if ratio is None else ratio,
            0.85 / len(names),
            color=colours[name],
        )
    speed.axhline(1, color="grey", linewidth=0.8, linestyle="--")
    speed.set_xticks(range(len(groups)), groups)
    speed.set(
        ylabel="meta-steps a second, fastest peer = 1",
        title="Speed at 5 inner steps, by workload",
    )
    for axis, key, label in (
        (memory, "peak_memory_mb", "peak memory, MiB"),
        (start, "first_step_seconds", "seconds to the first step"),
    ):
        steps = sorted({row["inner_steps"] for row in curve})
        for name in names:
            points = sorted(
                (row["inner_steps"], row[key])
                for row in curve
                if row["contender"] == name
            )
            if points:
                (line,) = axis.plot(
                    *zip(*points, strict=True), "o-", color=colours[name]
                )
                handles.setdefault(name, line)
        axis.set_xticks(steps)
        axis.set(
            xlabel="inner steps",
            ylabel=label,
            title=f"{label[0].upper()}{label[1:]}, workload W2",
        )
        axis.set_ylim(bottom=0)
    titles = [f"{name}: {CONTENDERS[name].title}" for name in handles]
    figure.legend(handles.values(), titles, loc="outside lower center", ncols=3)
    write_aside(path, lambda aside: save_picture(figure, aside, dpi=110))
