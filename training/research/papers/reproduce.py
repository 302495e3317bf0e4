"""Reproduces a table of the papers, and writes it beside the published figures.

    python -m training.reproduce --table=sinusoid
    python -m training.reproduce --table=omniglot --data_dir=../shared/data/omniglot

Writes results/reproduce_TABLE.json and .md (and pictures). A killed run goes on where
it was: rows that are done are read, the one that was training resumes. Rows in the
results that `--rows` leaves out stay there.
"""

import importlib
import json
from pathlib import Path

from absl import app, flags

from training.common.files import read_json, write_aside
from training.common.running import run_script
from training.research.papers.report import (
    markdown_table,
    with_earlier_rows,
    without_infinities,
)
from training.research.papers.row_names import UnknownRowError, named_rows
from training.research.papers.rows import run_row

TABLES = ("sinusoid", "omniglot", "task_mixture")
flags.DEFINE_enum("table", None, TABLES, "Which table.", required=True)
flags.DEFINE_multi_string(
    "rows",
    None,
    "A row to run, or several with commas between them; all if left out.",
)
flags.DEFINE_integer("meta_steps", None, "Meta-steps instead of each row's own.")
flags.DEFINE_integer("episodes", 600, "Test tasks of each figure.", lower_bound=2)
flags.DEFINE_integer("seed", 0, "Fixes tasks and initial weights.")
flags.DEFINE_string("data_dir", "../shared/data/omniglot", "Where Omniglot is.")
flags.DEFINE_string("work_dir", "runs/reproduce", "Checkpoints and finished rows.")
flags.DEFINE_string("output_dir", "results", "Where the table is written.")
FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    table = importlib.import_module(f"training.research.papers.{FLAGS.table}")
    rows = table.rows(FLAGS.data_dir, FLAGS.seed, FLAGS.meta_steps, FLAGS.episodes)
    names = [row.name for row in rows]
    try:
        chosen = named_rows(FLAGS.rows, names) if FLAGS.rows else names
    except UnknownRowError as error:
        raise app.UsageError(
            f"--rows: {error}; {FLAGS.table} has {' | '.join(names)}."
        ) from error
    if FLAGS.episodes < table.FEWEST_EPISODES:
        raise app.UsageError(
            f"--table={FLAGS.table} needs --episodes={table.FEWEST_EPISODES} or more "
            f"for its intervals, not {FLAGS.episodes}."
        )
    work, output = Path(FLAGS.work_dir) / FLAGS.table, Path(FLAGS.output_dir)
    earlier = read_json(output / f"reproduce_{FLAGS.table}.json", missing={})
    results = []
    for row in rows:
        if row.name in chosen:
            results.append(run_row(row, work, seed=FLAGS.seed))
    results = with_earlier_rows(results, earlier, names, FLAGS.episodes)
    output.mkdir(parents=True, exist_ok=True)
    command = f"python -m training.reproduce --table={FLAGS.table}"
    report = {"command": command, "episodes": FLAGS.episodes, "rows": results}
    report = without_infinities(report)
    if hasattr(table, "draw"):
        picture = output / f"reproduce_{FLAGS.table}.png"
        write_aside(picture, lambda path: table.draw(results, path))
    text = markdown_table(report)
    print(text)
    for suffix, content in ((".json", json.dumps(report, indent=2)), (".md", text)):
        path = output / f"reproduce_{FLAGS.table}{suffix}"
        write_aside(path, lambda path, c=content: path.write_text(c + "\n"))


if __name__ == "__main__":
    run_script(main)
