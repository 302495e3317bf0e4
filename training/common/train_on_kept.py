"""Meta-training over what an encoder makes of each text once, as the flags describe it.

A projection is trained over the vectors of texts, upper layers over what the layers
below make of their tokens (docs/intents.md).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np

from maml_tf import PrototypicalNetwork
from maml_tf.base_learners import TextEncoder, create_text_encoder
from maml_tf.base_learners.projected_encoder import ProjectedEncoder
from maml_tf.base_learners.split_encoder import (
    TokenStates,
    UpperEncoder,
    embed_states,
    lower_states,
    upper_half,
)
from maml_tf.episodes import Corpus, encode_corpus
from maml_tf.evaluation import calibrate_learner, mean_with_interval
from maml_tf.evaluation.seen import delta_of
from maml_tf.evaluation.vector_episodes import (
    nearest_prototype,
    vector_corpus,
    vector_episode_accuracies,
)
from maml_tf.text_lengths import bucket_for

from .best_share import weights_of
from .files import write_aside
from .finished import INITIAL, finish
from .learner_flags import PROJECTION, UPPER_LAYERS, base_learner_options
from .rotation import RotatingEpisodes, train_rotating
from .rotation_settings import RotationSettings
from .run import Run, weights_digest
from .seen_by_delta import tell_of_seen
from .seen_classes import record_classes
from .settings import FLAGS, shape_of_tasks
from .share_by_classes import MOST_ROWS, first_of_each, keep_best_for_classes
from .task_data import TaskData
from .train_settings import ROTATIONS, RotatingSettings

# Of each training class, at most.
TRAINING_TEXTS = {PROJECTION: MOST_ROWS, UPPER_LAYERS: 200}


@dataclass(frozen=True)
class Part:
    """Some texts as the encoder takes them, with their classes and templates."""

    inputs: Mapping[str, np.ndarray]
    labels: np.ndarray
    templates: np.ndarray | None


@dataclass(frozen=True)
class OverKept:
    """What is trained over arrays that were computed once.

    Attributes:
        model: from the kept inputs to vectors; trained in place.
        inputs_of: the kept inputs of some training texts.
        embed: the vectors of the validation texts by the model as it stands.
        frozen: the same by the encoder as it was.
        encoder: the whole, from tokens to vectors, with the model in it.
        jit_compile: whether XLA compiles the step.
    """

    model: keras.Model | keras.layers.Layer
    inputs_of: Callable[[np.ndarray], Any]
    embed: Callable[[], np.ndarray]
    frozen: np.ndarray
    encoder: keras.Model
    jit_compile: bool


def train_on_kept(settings: RotatingSettings, data: TaskData) -> None:
    """Trains, judges and calibrates in --output_dir."""
    keras.utils.set_random_seed(FLAGS.seed)
    rotation = replace(
        ROTATIONS[settings.learner],
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
        most = {"train": TRAINING_TEXTS[settings.learner]}
        parts = {
            name: _encoded(part, encoder, most.get(name, MOST_ROWS))
            for name, part in data.seen_parts().items()
        }
        texts = sum(len(part.labels) for part in parts.values())
        print(
            f"Running the encoder once over {texts} texts, then {settings.steps} "
            "meta-steps over what it made of them.",
            flush=True,
        )
        make = {PROJECTION: over_vectors, UPPER_LAYERS: over_states}[settings.learner]
        kept, training = make(run, encoder, parts), parts["train"]
        start, labels = weights_of(kept.model), parts["validation"].labels
        episodes = RotatingEpisodes(
            kept.inputs_of, training.labels, rotation, templates=training.templates
        )
        seconds = train_rotating(
            run, kept.model, episodes, rotation, jit_compile=kept.jit_compile
        )
        share = keep_best_for_classes(
            kept.model,
            start,
            kept.embed,
            labels,
            ways=FLAGS.ways,
            shots=[FLAGS.shots],
            queries=FLAGS.queries,
            seed=FLAGS.seed,
        )
        print(
            f"Kept {100 * share:.0f} % of the way from where the training began to "
            f"where it ended, which took {seconds:.1f} s."
        )
        after, shape = kept.embed(), shape_of_tasks()
        for name, array in (("frozen", kept.frozen), ("trained", after)):
            shares = vector_episode_accuracies(array, labels, **shape)
            print(f"validation classes, {name:7} {mean_with_interval(shares)}")
        finish(
            run.folder,
            _network(kept.encoder, rotation),
            lambda _: calibrate_learner(
                nearest_prototype(after.shape[1], scale=rotation.scale),
                vector_corpus(after, labels),
                **shape,
            ),
            step=rotation.steps,
        )


def over_vectors(run: Run, encoder: TextEncoder, parts: Mapping[str, Part]) -> OverKept:
    """A projection, from its closed form on, over the vectors of texts."""
    upper = UpperEncoder(encoder)

    def embed(part: Part) -> np.ndarray:
        return embed_states(upper, lower_states(upper, part.inputs))

    vectors = {
        name: run.array(f"{name}_vectors", partial(embed, part))
        for name, part in parts.items()
    }
    projected = ProjectedEncoder(encoder)
    projected.adapt(vectors["train"], parts["train"].labels)
    return OverKept(
        model=projected.projection,
        inputs_of=lambda rows: vectors["train"][rows],
        embed=lambda: np.asarray(projected.projection(vectors["validation"])),
        frozen=vectors["validation"],
        encoder=projected,
        jit_compile=True,
    )


def over_states(run: Run, encoder: TextEncoder, parts: Mapping[str, Part]) -> OverKept:
    """The upper half of an encoder's layers over what the lower half makes of texts."""
    upper = UpperEncoder(encoder, upper_half(encoder))

    def lower(part: Part) -> dict[str, np.ndarray]:
        found = lower_states(upper, part.inputs)
        return {"states": found.states, "starts": found.starts}

    states = {
        name: TokenStates(**run.arrays(f"{name}_states", partial(lower, part)))
        for name, part in parts.items()
    }
    # One length for all batches; of the longest texts the beginning will do.
    length = bucket_for(int(np.quantile(states["train"].lengths, 0.9)))
    return OverKept(
        model=upper,
        inputs_of=lambda rows: states["train"].batch(rows, length),
        embed=lambda: embed_states(upper, states["validation"]),
        frozen=embed_states(upper, states["validation"]),
        encoder=encoder,
        # XLA folds constants of whole layers for many minutes.
        jit_compile=False,
    )


def _encoded(corpus: Corpus, encoder: Any, most: int) -> Part:
    whole = encode_corpus(corpus, encoder.preprocessor)
    rows = first_of_each(np.arange(len(whole.labels)), whole.labels, most)
    return Part(
        {key: array[rows] for key, array in whole.inputs.items()},
        whole.labels[rows],
        None if whole.templates is None else whole.templates[rows],
    )


def _network(encoder: keras.Model, rotation: RotationSettings) -> PrototypicalNetwork:
    return PrototypicalNetwork(encoder, distance="cosine", scale=rotation.scale)
