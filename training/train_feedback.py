"""Meta-trains a language model so that it learns a user's taste from a few judgements.

    python -m training.train_feedback --dialogues=dialogues.jsonl \\
        --output_dir=runs/feedback

A task is a simulated user with a hidden taste in replies: the model adapts low-rank
factors to pairs of a liked and a disliked reply, or to single thumbs, and is judged by
how it ranks other pairs. Training users like or dislike what a rule looks at, or a few
words; the rules of validation users and of training.evaluate_feedback are others.
Replies are those in the dialogues, of the people of each part.

Writes what training.train_persona writes, and the states of the replies below the first
block that adapts, which are computed once.
"""

from typing import Any

from absl import app, flags

from .common.feedback_flags import (
    FeedbackSettings,
    define_feedback_flags,
    make_feedback_learner,
)
from .common.flag_types import define_path
from .common.persona_flags import checked_settings
from .common.running import run_script

define_feedback_flags()
define_path("output_dir", None, "Where the run is written.", required=True)
FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    settings = checked_settings(FeedbackSettings)
    if not (settings.lora_rank and settings.lora_blocks):
        raise app.UsageError(
            "Feedback is learned by low-rank factors on the last blocks, above blocks "
            "that read every reply once; give --lora_rank and --lora_blocks 1 or more."
        )

    from maml_tf.episodes.dialogue_readers import read_dialogues

    corpus = read_dialogues(settings.dialogues)
    print(corpus.summary(), flush=True)
    train(settings, corpus)


def train(settings: FeedbackSettings, corpus: Any) -> None:
    """Trains on users who judge replies of the corpus, in --output_dir."""
    import keras

    from maml_tf.episodes.feedback_episodes import feedback_episodes

    from .common.digests import file_digest
    from .common.feedback_data import make_pools, make_upper_model, states_of, users_of
    from .common.loop import meta_train
    from .common.persona_weights import save_trained
    from .common.run import Run, weights_digest

    pools = make_pools(corpus, settings, ("train", "validation"))
    users = {name: users_of(name, pool) for name, pool in pools.items()}
    print(
        f"{len(pools['train'].replies)} replies to train on, "
        f"{len(pools['validation'].replies)} for validation. Loading the model; every "
        "reply is run through its lower blocks once, which takes minutes.",
        flush=True,
    )
    keras.utils.set_random_seed(settings.seed)
    learner = make_feedback_learner(settings, make_upper_model(corpus, settings))
    content = {
        "initial weights": weights_digest(learner),
        "dialogues": file_digest(settings.dialogues),
    }
    with Run(FLAGS.output_dir, settings, content) as run:
        states = {
            name: states_of(learner.base_learner, pool, settings, run.folder)
            for name, pool in pools.items()
        }

        def batches(name: str, start: int = 0, steps: int | None = None) -> Any:
            return feedback_episodes(
                pools[name],
                states[name],
                users[name],
                support=(settings.least_support, settings.most_support),
                query=settings.query,
                tasks_per_batch=settings.tasks_per_batch,
                thumbs=settings.thumbs,
                seed=settings.seed,
                start_step=start,
                steps=steps,
            )

        # The same users at every validation.
        judged = batches("validation", steps=40)

        def validate(learner: Any) -> dict[str, float]:
            found = learner.evaluate(judged, verbose=0, return_dict=True)
            return {
                "validation_log_likelihood": -float(found["loss"]),
                "validation_agreement": float(found["preference_accuracy"]),
            }

        progress = meta_train(
            run,
            learner,
            lambda start: batches("train", start),
            steps=settings.steps,
            validate=validate,
            monitor="validation_agreement",
            validate_every=settings.validate_every,
            patience=settings.patience,
            judge_start=True,
        )
        save_trained(run.folder, learner)
    print(
        f"Best by validation at step {progress.best_step}; "
        f"{progress.seconds / max(progress.step, 1):.1f} s a step. Judge it with "
        f"python -m training.evaluate_feedback --model_dir={FLAGS.output_dir}"
    )


if __name__ == "__main__":
    run_script(main)
