"""Meta-training of any learner on episodes of texts, as the flags describe it."""

import keras
from absl import app

from maml_tf import MetaLearner
from maml_tf.episodes import EncodedCorpus, encode_corpus, episode_dataset
from maml_tf.evaluation import (
    Calibration,
    calibrate_learner,
    episode_accuracies,
    mean_with_interval,
)
from maml_tf.evaluation.seen import delta_of

from .files import write_aside
from .finished import INITIAL, finish
from .learner_flags import make_learner
from .loop import meta_train
from .run import Run, weights_digest
from .seen_by_delta import tell_of_seen
from .seen_classes import record_classes
from .settings import FLAGS, shape_of_tasks
from .strategies import scope_of_strategy
from .task_data import TaskData
from .train_settings import TrainSettings


def train_learner(settings: TrainSettings, data: TaskData) -> None:
    """Trains, validates and calibrates the learner of the flags in --output_dir."""
    with scope_of_strategy(FLAGS.tasks_per_batch):
        _train(settings, data)


def _train(settings: TrainSettings, data: TaskData) -> None:
    keras.utils.set_random_seed(FLAGS.seed)
    keras.config.set_dtype_policy(FLAGS.dtype_policy)
    tell_of_seen(data.split.test, delta_of(FLAGS.base_learner, FLAGS.pretrained))
    learner = make_learner()
    try:
        learner.compile(
            keras.optimizers.AdamW(
                FLAGS.meta_learning_rate,
                weight_decay=0.01,
                use_ema=FLAGS.averaging > 0,
                ema_momentum=FLAGS.averaging,
            ),
            jit_compile=FLAGS.jit_compile,
        )
    except ValueError as error:
        raise app.UsageError(f"--jit_compile: {error}") from error
    learner.optimizer.build(learner.trainable_variables)
    content = {**data.digests(), "initial weights": weights_digest(learner)}
    with Run(FLAGS.output_dir, settings, content) as run:
        record_classes(run.folder, data.seen_parts())
        if not (run.folder / INITIAL).is_file():
            write_aside(run.folder / INITIAL, learner.save)
        encoded = {
            name: encode_corpus(part, learner.base_learner.preprocessor)
            for name, part in data.seen_parts().items()
        }
        progress = meta_train(
            run,
            learner,
            lambda start: episode_dataset(
                encoded["train"],
                **shape_of_tasks(),
                tasks_per_batch=FLAGS.tasks_per_batch,
                seed=FLAGS.seed,
                start_step=start,
                drop_small_classes=True,
            ),
            steps=FLAGS.steps,
            validate=lambda learner: validate(learner, encoded["validation"]),
            validate_every=FLAGS.validate_every,
            patience=FLAGS.patience,
            # A few classes may have nothing to add to what the weights know already.
            judge_start=True,
            callbacks=(
                keras.callbacks.TensorBoard(
                    run.folder / "tensorboard", write_graph=False
                ),
            ),
        )
        finish(
            run.folder,
            learner,
            lambda learner: calibrate(learner, encoded["validation"]),
            step=progress.step,
            rows=progress.rows,
        )


def validate(learner: MetaLearner, encoded: EncodedCorpus) -> dict[str, float]:
    """Accuracy on validation episodes, the same ones each time."""
    score = mean_with_interval(
        episode_accuracies(
            learner,
            encoded,
            **shape_of_tasks(),
            episodes=FLAGS.validation_episodes,
            seed=FLAGS.seed + 1,
        )
    )
    return {"validation_accuracy": score.mean, "validation_ci95": score.ci95}


def calibrate(learner: MetaLearner, encoded: EncodedCorpus) -> Calibration:
    return calibrate_learner(
        learner,
        encoded,
        **shape_of_tasks(),
        episodes=FLAGS.validation_episodes,
        seed=FLAGS.seed + 1,
    )
