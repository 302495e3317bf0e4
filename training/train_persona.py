"""Meta-trains a language model so that it becomes a person from a few dialogues.

    python -m training.train_persona --dialogues=dialogues.jsonl \\
        --output_dir=runs/persona

A task is a person: the model adapts low-rank factors to some of their dialogues and is
judged by others of theirs. People whose number ends in 0 to 6 are trained on, those in
7 decide which weights are kept; training.evaluate_persona judges on the rest.

Writes config.json, metrics.jsonl, weights.safetensors (what was trained, and not the
pretrained model it belongs to) and checkpoints from which the same command resumes.
"""

from pathlib import Path
from typing import Any

from absl import flags

from .common.flag_types import define_path
from .common.persona_flags import (
    PersonaSettings,
    checked_settings,
    define_learner_flags,
    define_task_flags,
    make_persona_learner,
)
from .common.running import run_script
from .common.strategies import check_strategy, folder_of_process, scope_of_strategy

define_task_flags()
define_learner_flags()
define_path(
    "more_dialogues",
    None,
    "Dialogues of further people, all of whom are trained on.",
)
define_path("output_dir", None, "Where the run is written.", required=True)
FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    check_strategy(FLAGS.tasks_per_batch)
    FLAGS["output_dir"].value = folder_of_process(FLAGS.output_dir)
    settings = checked_settings(PersonaSettings)

    from maml_tf.episodes.dialogue_readers import read_dialogues

    corpus = read_dialogues(settings.dialogues)
    print(corpus.summary())
    parts = {name: corpus.split(name) for name in ("train", "validation")}
    if settings.more_dialogues is not None:
        more = read_dialogues(settings.more_dialogues)
        print(more.summary())
        parts["train"] = parts["train"].after(more)
    # Whoever has fewer dialogues than the most is in the batches that take fewer.
    least, most = (
        supported + settings.query
        for supported in (settings.least_support, settings.most_support)
    )
    counts = {
        name: len(part.with_at_least(most).groups) for name, part in parts.items()
    }
    parts = {name: part.with_at_least(least) for name, part in parts.items()}
    print(
        f"People with {least} dialogues or more: {len(parts['train'].groups)} to "
        f"train on ({counts['train']} with {most}), "
        f"{len(parts['validation'].groups)} for validation "
        f"({counts['validation']}). Loading the "
        "model; the first step is traced, which takes about a minute.",
        flush=True,
    )
    with scope_of_strategy(settings.tasks_per_batch):
        train(settings, parts)


def train(settings: PersonaSettings, parts: dict[str, Any]) -> None:
    """Trains on the people of `parts["train"]` in --output_dir.

    Args:
        settings: of the run.
        parts: the dialogues to train on and those for validation.
    """
    import keras
    import tensorflow as tf

    from maml_tf.episodes.dialogue_tokens import encode_dialogues
    from maml_tf.episodes.persona_episodes import persona_episodes

    from .common.digests import file_digest
    from .common.loop import meta_train
    from .common.persona_weights import load_initial, save_trained
    from .common.run import Run, weights_digest

    keras.utils.set_random_seed(settings.seed)
    learner = make_persona_learner(settings)
    changed = []
    if settings.start_from is not None:
        changed = load_initial(Path(settings.start_from), learner.base_learner)
    base = learner.base_learner
    encoded = {
        name: encode_dialogues(
            part,
            base.tokenize,
            base.chat_template,
            max_length=settings.max_length,
            show_persona=settings.show_persona,
        )
        for name, part in parts.items()
    }
    # Few people are fewer tasks, which several devices have to share evenly too.
    devices = tf.distribute.get_strategy().num_replicas_in_sync
    most = settings.most_support + settings.query
    sizes = {}
    for name, part in encoded.items():
        people = sum(len(rows) >= most for rows in part.rows_of_groups)
        shared = people // devices * devices
        sizes[name] = max(devices, min(settings.tasks_per_batch, shared))
    content = {
        "initial weights": weights_digest(learner),
        **{
            name: file_digest(path)
            for name, path in (
                ("dialogues", settings.dialogues),
                ("more dialogues", settings.more_dialogues),
            )
            if path is not None
        },
    }

    def batches(name: str, start: int = 0, steps: int | None = None) -> Any:
        return persona_episodes(
            encoded[name],
            support=(settings.least_support, settings.most_support),
            query=settings.query,
            tasks_per_batch=sizes[name],
            seed=settings.seed,
            start_step=start,
            steps=steps,
        )

    # The same tasks at every validation.
    judged = batches("validation", steps=8)

    def validate(learner: Any) -> dict[str, float]:
        loss = learner.evaluate(judged, verbose=0, return_dict=True)["loss"]
        return {"validation_log_likelihood": -float(loss)}

    with Run(FLAGS.output_dir, settings, content) as run:
        progress = meta_train(
            run,
            learner,
            lambda start: batches("train", start),
            steps=settings.steps,
            validate=validate,
            monitor="validation_log_likelihood",
            validate_every=settings.validate_every,
            patience=settings.patience,
            judge_start=True,
            part=5,  # steps take seconds
        )
        save_trained(run.folder, learner, changed)
    print(
        f"Best by validation at step {progress.best_step}; "
        f"{progress.seconds / max(progress.step, 1):.1f} s a step. Judge it with "
        f"python -m training.evaluate_persona --model_dir={FLAGS.output_dir}"
    )


if __name__ == "__main__":
    run_script(main)
