"""Reproduces a table of the papers, and writes it beside the published figures.

    python -m training.reproduce --table=sinusoid
    python -m training.reproduce --table=omniglot --data_dir=../shared/data/omniglot

Writes results/reproduce_TABLE.json and .md (and pictures). A killed run goes on where
it was: rows that are done are read, the one that was training resumes. A row under
another seed, budget or number of test tasks is another row, and takes the old one's
place in the results; rows that `--rows` leaves out stay there.
"""

import importlib
from pathlib import Path

from absl import app, flags

from training.common.files import write_aside
from training.common.flag_types import define_count, define_path, define_seed
from training.common.onednn import with_onednn
from training.common.result_rows import ResultRows
from training.common.running import run_script
from training.research.papers.report import report_text
from training.research.papers.row_names import UnknownRowError, named_rows

TABLES = ("sinusoid", "omniglot", "task_mixture")
flags.DEFINE_enum("table", None, TABLES, "Which table.", required=True)
flags.DEFINE_multi_string(
    "rows",
    None,
    "A row to run, or several with commas between them; all if left out.",
)
define_count("meta_steps", None, "Meta-steps instead of each row's own.")
define_count("episodes", 600, "Test tasks of each figure.", least=2)
define_seed("seed", 0, "Fixes tasks and initial weights.")
define_path("data_dir", "../shared/data/omniglot", "Where Omniglot is.")
define_path("work_dir", "runs/reproduce", "Checkpoints and finished rows.")
define_path("output_dir", "results", "Where the table is written.")
FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    with_onednn()
    from training.research.papers.rows import run_row

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
    stem = f"reproduce_{FLAGS.table}"
    kept = ResultRows(output / f"{stem}.json", place=("name",))
    for row in rows:
        if row.name in chosen:
            digest, result = run_row(
                row, work, seed=FLAGS.seed, episodes=FLAGS.episodes
            )
            kept.keep(digest, [result])
    by_name = {result["name"]: result for result in kept.all()}
    results = [by_name[name] for name in names if name in by_name]
    if hasattr(table, "draw"):
        write_aside(output / f"{stem}.png", lambda path: table.draw(results, path))
    text = report_text(f"python -m training.reproduce --table={FLAGS.table}", results)
    write_aside(output / f"{stem}.md", lambda path: path.write_text(text + "\n"))
    print(text)


if __name__ == "__main__":
    run_script(main)
