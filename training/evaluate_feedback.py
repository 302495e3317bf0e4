"""Judges how soon a language model ranks replies as a user that it never met would.

    python -m training.evaluate_feedback --model_dir=runs/feedback

Test users have tastes that no training user has, in neither direction. Each judges
pairs of replies of test people; the model learns from 0, 1, 3, 5 and 10 judgements and
ranks ten other pairs. The table says how often it agrees, with 95 % intervals over
users; 50 % is chance. Rows: the same loss and steps from the pretrained model, the
update rule and its rate chosen on validation users; and what was meta-trained. With
--other_dirs, runs of other --feedback, both for that too, from the same users.

Writes feedback.json, feedback.md and feedback.png.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from absl import app, flags

from .common.feedback_flags import TRAIN_SCRIPT, FeedbackSettings
from .common.files import check_output_file, write_aside, write_json
from .common.flag_types import define_count, define_path, numbers_of
from .common.persona_flags import settings_of_run, without_folders
from .common.running import run_script
from .common.tables import markdown_table

define_path("model_dir", None, f"A run of {TRAIN_SCRIPT}.", required=True)
flags.DEFINE_list(
    "other_dirs", [], "Runs of another --feedback, of single thumbs, judged beside it."
)
define_path("dialogues", None, "Replies to judge; those of the run by default.")
flags.DEFINE_list("pieces", ["0", "1", "3", "5", "10"], "Numbers of judgements.")
define_count("users", 128, "Test users.", least=2)
define_count("validation_users", 20, "Users who choose rates.", least=2)
define_count("queries", 10, "Pairs that are ranked.")
define_count("more_steps", None, "A further row of plain training, of so many steps.")
flags.DEFINE_list("descent_rates", ["0.01", "0.1", "1"], "Rates of gradient descent.")
flags.DEFINE_list("adam_rates", ["1e-3", "1e-2"], "Rates of Adam.")
define_path("output", None, "The JSON file; feedback.json in --model_dir by default.")
FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    pieces = numbers_of("pieces", least=0)
    rates = {
        "gradient descent": numbers_of("descent_rates", float),
        "adam": numbers_of("adam_rates", float),
    }
    if not pieces[-1]:
        raise app.UsageError("--pieces wants a number of judgements besides 0.")
    folder = Path(FLAGS.model_dir)
    settings = settings_of_run(folder, FeedbackSettings, TRAIN_SCRIPT)
    runs = {settings.feedback: (settings, folder)}
    for other in map(Path, FLAGS.other_dirs):
        found = settings_of_run(other, FeedbackSettings, TRAIN_SCRIPT)
        if found.feedback in runs or replace(found, **_model_of(settings)) != found:
            raise app.UsageError(
                f"{other} of --other_dirs has to be a run of another --feedback than "
                "the rest, and of the same base learner and factors."
            )
        runs[found.feedback] = (found, other)
    output = Path(FLAGS.output or folder / "feedback.json")
    check_output_file(output)

    from maml_tf.episodes.dialogue_readers import read_dialogues

    dialogues = FLAGS.dialogues or settings.dialogues
    corpus = read_dialogues(dialogues)
    began = time.monotonic()
    result = judge(runs, corpus, pieces, rates, folder)
    result = {
        "dialogues": Path(dialogues).name,
        "settings": {name: without_folders(run[0]) for name, run in runs.items()},
        "pieces": pieces,
        "queries": FLAGS.queries,
        "minutes": round((time.monotonic() - began) / 60, 1),
        **result,
    }
    write_json(output, result)
    table = table_of(result)
    write_aside(output.with_suffix(".md"), lambda path: path.write_text(table + "\n"))

    from .common.feedback_plot import plot_feedback

    plot_feedback(result, output.with_suffix(".png"))
    print(table)
    print(f"Written to {output}, with a table and a picture beside it.")


def judge(
    runs: dict[str, tuple[FeedbackSettings, Path]],
    corpus: Any,
    pieces: list[int],
    rates: dict[str, list[float]],
    folder: Path,
) -> dict[str, Any]:
    """Agreements of every method, by name."""
    from .common.feedback_data import make_pools, make_upper_model, states_of
    from .common.feedback_judge import FeedbackJudge, Judged, user_tasks

    settings = next(iter(runs.values()))[0]
    pools = make_pools(corpus, settings, ("validation", "test"))
    users = {"validation": FLAGS.validation_users, "test": FLAGS.users}
    tasks = {
        part: user_tasks(
            part,
            pool,
            users[part],
            support=pieces[-1],
            query=FLAGS.queries,
            seed=settings.seed,
        )
        for part, pool in pools.items()
    }
    base = make_upper_model(corpus, settings)
    judged = {
        part: Judged(states_of(base, pool, settings, folder), tasks[part])
        for part, pool in pools.items()
    }
    found = FeedbackJudge(base, judged["test"], judged["validation"], pieces)
    differences = {}
    for name, (of_run, run_folder) in runs.items():
        found.add_plain(f"{name}, not meta-trained", of_run, rates)
        if FLAGS.more_steps is not None:
            longer = replace(of_run, inner_steps=FLAGS.more_steps)
            found.add_plain(
                f"{name}, not meta-trained, {FLAGS.more_steps} steps", longer, rates
            )
        found.add_trained(f"{name}, meta-trained", of_run, run_folder)
        differences[name] = found.difference(
            f"{name}, meta-trained", f"{name}, not meta-trained"
        )
    return {**found.result(), "meta_trained_ahead_by": differences}


def table_of(result: dict[str, Any]) -> str:
    """The agreements as Markdown, a row a method, a column a number of pieces."""
    rows = [
        [name, *(str(row["table"][k]) for k in result["pieces"])]
        for name, row in result["rows"].items()
    ]
    rows += [
        [f"{name}: ahead by", *(by[k] for k in result["pieces"])]
        for name, by in result["meta_trained_ahead_by"].items()
    ]
    header = ["agreement, % (95 %)", *(f"{k}" for k in result["pieces"])]
    return markdown_table(header, rows)


def _model_of(settings: FeedbackSettings) -> dict[str, Any]:
    names = ("base_learner", "lora_rank", "lora_blocks", "seed", "max_length")
    return {name: getattr(settings, name) for name in names}


if __name__ == "__main__":
    run_script(main)
