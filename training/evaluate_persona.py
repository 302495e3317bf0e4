"""Judges how well a language model becomes people that it never met.

    python -m training.evaluate_persona --model_dir=runs/persona

Of each person some dialogues are learned from and others are foretold; the table says
the perplexity of what the person says there, with its 95 % interval over people:
pretrained, fine-tuned for each person, with the same dialogues in front of the prompt
(in context), meta-trained, and meta-trained with the dialogues in context as well.
With --joint_dir, a run of --inner_steps=0, also tuned on all training people at once.
The rates and steps of fine-tuning are chosen on validation people.

Every method also replies in the middle of dialogues that were not learned from, beside
the person's own reply nearest to what was asked (response selection): how often a reply
touches on the sentences that describe the person, and what learning and replying cost.

Writes persona.json, persona.md and persona.png. What a method came to is kept beside
them until then: killed and called again, the evaluation goes on behind it.
"""

import json
import time
from pathlib import Path

from absl import app, flags

from .common.files import check_output_file, write_aside, write_json
from .common.flag_types import define_count, define_path, numbers_of
from .common.persona_flags import (
    PersonaSettings,
    define_task_flags,
    settings_of_run,
    without_folders,
)
from .common.running import run_script

define_task_flags()
define_path("model_dir", None, "A run of training.train_persona.", required=True)
define_path("joint_dir", None, "A run of training.train_persona --inner_steps=0.")
flags.DEFINE_enum(
    "split", "test", ("test", "validation", "all"), "Which people are judged."
)
flags.DEFINE_list("support", ["1", "3", "5"], "Numbers of dialogues to learn from.")
flags.DEFINE_list("inner_steps", ["1", "3", "5"], "Numbers of inner steps.")
define_count("queries", 3, "Dialogues that are foretold.")
define_count(
    "people",
    None,
    "At most so many people are judged at each number of dialogues; by default all who "
    "have as many.",
)
flags.DEFINE_list(
    "fine_tuning_rates",
    ["3e-4", "1e-3", "3e-3"],
    "Adam's, tried on validation people with each number of steps.",
)
define_count(
    "replies",
    1,
    "Dialogues of each person in the middle of which every method replies; 0 for none.",
    least=0,
)
define_count("reply_tokens", 32, "Tokens of such a reply at most.", most=512)
define_path("output", None, "The JSON file; persona.json in --model_dir by default.")
FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    supports, steps = numbers_of("support"), numbers_of("inner_steps")
    rates = numbers_of("fine_tuning_rates", float)
    folder = Path(FLAGS.model_dir)
    settings = settings_of_run(folder, PersonaSettings)
    output = Path(FLAGS.output or folder / "persona.json")
    check_output_file(output)
    joint = None
    if FLAGS.joint_dir is not None:
        joint = settings_of_run(Path(FLAGS.joint_dir), PersonaSettings)
        if joint.inner_steps:
            raise app.UsageError("--joint_dir is no run of --inner_steps=0.")

    from maml_tf.episodes.dialogue_readers import read_dialogues

    dialogues = FLAGS.dialogues or settings.dialogues
    corpus = read_dialogues(dialogues)
    judged = corpus.split(FLAGS.split)
    numbers = {}
    for support in supports:
        # Everybody who has so many; an interval needs two.
        numbers[support] = len(judged.with_at_least(support + FLAGS.queries).groups)
        if numbers[support] < 2:
            raise app.UsageError(
                f"One person alone of {judged.name} has {support} dialogues to learn "
                f"from and {FLAGS.queries} to foretell, and an interval needs two; "
                f"leave {support} out of --support, or give more people."
            )
    told = ", ".join(f"{n} by {k} dialogues" for k, n in numbers.items())
    print(f"{corpus.summary()} People judged: {told}.", flush=True)

    from .common.digests import file_digest
    from .common.persona_judge import Judge, Judging, middle_of
    from .common.persona_losses import loss_tables
    from .common.persona_weights import WEIGHTS, check_weights
    from .common.run import CONFIG

    judging = Judging(
        FLAGS.split,
        supports,
        steps,
        FLAGS.queries,
        FLAGS.people,
        rates,
        FLAGS.replies,
        FLAGS.reply_tokens,
    )
    files = {"judged dialogues": dialogues, "training dialogues": settings.dialogues}
    for kind, run in (("run", folder), ("joint run", FLAGS.joint_dir)):
        if run is not None:
            check_weights(Path(run))
            for name in (CONFIG, WEIGHTS):
                files[f"{kind}'s {name}"] = Path(run) / name
    content = {name: file_digest(path) for name, path in files.items()}
    judge = Judge(settings, judging, output.parent, content)
    began = time.monotonic()
    held = read_dialogues(settings.dialogues).split("validation")
    result = judge.table(
        judged.with_at_least(min(supports) + FLAGS.queries),
        held.with_at_least(middle_of(supports) + FLAGS.queries),
        folder,
        None if joint is None else (joint, Path(FLAGS.joint_dir)),
    )
    write_json(
        output,
        {
            "settings": without_folders(settings),
            "dialogues": Path(dialogues).name,
            "split": FLAGS.split,
            "support": supports,
            "inner_steps": steps,
            "queries": FLAGS.queries,
            **result,
        },
    )
    written = json.loads(output.read_text())
    tables = loss_tables(written)
    if "replies" in written:
        from .common.persona_replies import tables_of

        tables += f"\n\n{tables_of(written['replies'])}"
    write_aside(output.with_suffix(".md"), lambda path: path.write_text(tables + "\n"))

    from .common.persona_plot import plot_persona

    plot_persona(written, output.with_suffix(".png"))
    print(tables)
    judge.forget()
    minutes = (time.monotonic() - began) / 60
    print(
        f"Written to {output}, with its tables and a picture beside it, after "
        f"{minutes:.0f} minutes."
    )


if __name__ == "__main__":
    run_script(main)
