"""Meta-training of a projection behind a frozen encoder, as the flags describe it."""

from functools import partial
from typing import Any

import keras
import numpy as np

from maml_tf import PrototypicalNetwork
from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.projected_encoder import ProjectedEncoder
from maml_tf.base_learners.split_encoder import UpperEncoder, embed_states, lower_states
from maml_tf.episodes import encode_corpus
from maml_tf.evaluation import calibrate_learner, mean_with_interval
from maml_tf.evaluation.seen import delta_of
from maml_tf.evaluation.vector_episodes import (
    nearest_prototype,
    vector_corpus,
    vector_episode_accuracies,
)

from .files import write_aside
from .finished import INITIAL, finish
from .learner_flags import base_learner_options
from .projection import first_of_each, keep_best_for_classes, train_projection
from .rotation import RotationSettings
from .run import Run, weights_digest
from .seen_by_delta import tell_of_seen
from .seen_classes import record_classes
from .settings import FLAGS, shape_of_tasks
from .task_data import TaskData
from .train_settings import ProjectionSettings


def train_projection_of_flags(settings: ProjectionSettings, data: TaskData) -> None:
    """Trains, judges and calibrates a projection in --output_dir.

    The encoder runs once over the training texts; then rotating one-shot episodes over
    their vectors train the projection (docs/intents.md).
    """
    keras.utils.set_random_seed(FLAGS.seed)
    rotation = RotationSettings(
        steps=settings.steps,
        learning_rate=settings.meta_learning_rate,
        seed=settings.seed,
    )
    tell_of_seen(data.split.test, delta_of(FLAGS.base_learner, FLAGS.pretrained))
    options = base_learner_options()
    encoder: Any = create_text_encoder(FLAGS.base_learner, normalize=True, **options)
    content = {**data.digests(), "initial weights": weights_digest(encoder)}
    with Run(FLAGS.output_dir, settings, content) as run:
        record_classes(run.folder, data.seen_parts())
        if not (run.folder / INITIAL).is_file():
            write_aside(run.folder / INITIAL, _network(encoder, rotation).save)
        vectors, labels, templates = {}, {}, {}
        for name, part in data.seen_parts().items():
            whole = encode_corpus(part, encoder.preprocessor)
            rows = first_of_each(np.arange(len(whole.labels)), whole.labels)
            inputs = {key: array[rows] for key, array in whole.inputs.items()}
            labels[name] = whole.labels[rows]
            templates[name] = None if whole.templates is None else whole.templates[rows]
            compute = partial(_embed, encoder, inputs)
            vectors[name] = run.array(f"{name}_vectors", compute)
        projected = ProjectedEncoder(encoder)
        projected.adapt(vectors["train"], labels["train"])
        start = projected.projection.get_weights()
        seconds = train_projection(
            run,
            projected.projection,
            vectors["train"],
            labels["train"],
            rotation,
            templates=templates["train"],
        )
        shape = shape_of_tasks()
        share = keep_best_for_classes(
            projected.projection,
            start,
            lambda: np.asarray(projected.projection(vectors["validation"])),
            labels["validation"],
            ways=FLAGS.ways,
            shots=[FLAGS.shots],
            queries=FLAGS.queries,
            seed=FLAGS.seed,
        )
        print(
            f"Kept {100 * share:.0f} % of the way from the closed form to the trained "
            f"projection, which took {seconds:.1f} s."
        )
        after = np.asarray(projected.projection(vectors["validation"]))
        for name, array in (("frozen", vectors["validation"]), ("projected", after)):
            shares = vector_episode_accuracies(array, labels["validation"], **shape)
            print(f"validation classes, {name:9} {mean_with_interval(shares)}")
        finish(
            run.folder,
            _network(projected, rotation),
            lambda _: calibrate_learner(
                nearest_prototype(after.shape[1], scale=rotation.scale),
                vector_corpus(after, labels["validation"]),
                **shape,
            ),
            step=rotation.steps,
        )


def _embed(encoder: Any, inputs: dict[str, np.ndarray]) -> np.ndarray:
    upper = UpperEncoder(encoder)
    return embed_states(upper, lower_states(upper, inputs))


def _network(encoder: keras.Model, rotation: RotationSettings) -> PrototypicalNetwork:
    return PrototypicalNetwork(encoder, distance="cosine", scale=rotation.scale)
