"""What an inner loop can do with each of Keras' layers: the table of docs/layers.md.

    python tests/inner_loop/layer_table.py              # every layer, some 20 minutes
    python tests/inner_loop/layer_table.py LSTM Conv1D  # these rows, printed

Each layer stands behind a `Dense` layer in a small base learner in float64, under MAML
with exact meta-gradients, one inner step and all weights fast.
"""

import inspect
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from maml_tf import MAML
from maml_tf.inner_loop.one_by_one import TasksOneByOne

DOC = Path(__file__).parents[2] / "docs" / "layers.md"
COLUMNS = "| layer | all tasks at once | one by one | XLA | second order |"

VECTOR, SEQUENCE, IMAGE, VOLUME = (4,), (4, 3), (4, 4, 2), (3, 3, 3, 2)
INPUTS = {"1D": SEQUENCE, "2D": IMAGE, "3D": VOLUME}

# Arguments where a layer needs some, and inputs where its name does not tell them.
ARGUMENTS = {
    "Activation": ("tanh",),
    "ActivityRegularization": (0.0, 0.1),
    "AlphaDropout": (0.4,),
    "Dropout": (0.4,),
    "GaussianDropout": (0.4,),
    "GaussianNoise": (0.4,),
    "Dense": (3,),
    "EinsumDense": ("ab,bc->ac", 3),
    "GRU": (3,),
    "LSTM": (3,),
    "SimpleRNN": (3,),
    "Permute": ((2, 1),),
    "RepeatVector": (2,),
    "Rescaling": (0.5,),
    "Reshape": ((2, 2),),
    "Resizing": (3, 3),
    "CenterCrop": (3, 3),
}
SHAPES = {
    "Attention": SEQUENCE,
    "AdditiveAttention": SEQUENCE,
    "MultiHeadAttention": SEQUENCE,
    "GroupQueryAttention": SEQUENCE,
    "Bidirectional": SEQUENCE,
    "TimeDistributed": SEQUENCE,
    "RNN": SEQUENCE,
    "GRU": SEQUENCE,
    "LSTM": SEQUENCE,
    "SimpleRNN": SEQUENCE,
    "Masking": SEQUENCE,
    "Permute": SEQUENCE,
    "ConvLSTM1D": (3, 4, 2),
    "ConvLSTM2D": (2, 3, 3, 2),
    "ConvLSTM3D": (2, 2, 2, 2, 2),
    "Resizing": IMAGE,
    "CenterCrop": IMAGE,
}
CALLS = {
    "Add": lambda x: keras.layers.Add()([x, x * x]),
    "Average": lambda x: keras.layers.Average()([x, x * x]),
    "Concatenate": lambda x: keras.layers.Concatenate()([x, x * x]),
    "Dot": lambda x: keras.layers.Dot(-1)([x, x]),
    "Maximum": lambda x: keras.layers.Maximum()([x, x * x]),
    "Minimum": lambda x: keras.layers.Minimum()([x, x * x]),
    "Multiply": lambda x: keras.layers.Multiply()([x, x * x]),
    "Subtract": lambda x: keras.layers.Subtract()([x, x * x]),
    "Attention": lambda x: keras.layers.Attention()([x, x]),
    "AdditiveAttention": lambda x: keras.layers.AdditiveAttention()([x, x]),
    "MultiHeadAttention": lambda x: keras.layers.MultiHeadAttention(2, 2)(x, x),
    "GroupQueryAttention": lambda x: keras.layers.GroupQueryAttention(2, 2, 1)(x, x),
    "Bidirectional": lambda x: keras.layers.Bidirectional(keras.layers.GRU(2))(x),
    "TimeDistributed": lambda x: keras.layers.TimeDistributed(keras.layers.Dense(2))(x),
    "RNN": lambda x: keras.layers.RNN(keras.layers.SimpleRNNCell(2))(x),
    "Lambda": lambda x: keras.layers.Lambda(keras.ops.square)(x),
    "GroupNormalization": lambda x: keras.layers.GroupNormalization(2)(x),
    "Normalization": lambda x: keras.layers.Normalization(mean=0.1, variance=2.0)(x),
    "SpectralNormalization": lambda x: keras.layers.SpectralNormalization(
        keras.layers.Dense(3)
    )(x),
}
# Layers of class numbers: nothing but the input stands before them.
OF_NUMBERS = {
    "Embedding": lambda x: keras.layers.Embedding(9, 3)(x),
    "ReversibleEmbedding": lambda x: keras.layers.ReversibleEmbedding(9, 3)(x),
    "CategoryEncoding": lambda x: keras.layers.CategoryEncoding(9, "multi_hot")(x),
}

_IMAGES = "prepares images; belongs in the data pipeline, before there are tasks"
_CELL = "a cell, which is used inside `RNN`"
_ABSTRACT = "a base class"
_OTHER = "wraps a model of another framework, or a saved one, that has no weights here"
_LOOKUP = "turns strings or numbers into indices and has no gradient"
NOT_TRIED = {
    **dict.fromkeys(
        [
            "AugMix",
            "AutoContrast",
            "ContrastLimitedAdaptiveHistogramEqualization",
            "CutMix",
            "Equalization",
            "MaxNumBoundingBoxes",
            "MixUp",
            "RandAugment",
            "RandomBrightness",
            "RandomColorDegeneration",
            "RandomColorJitter",
            "RandomContrast",
            "RandomCrop",
            "RandomElasticTransform",
            "RandomErasing",
            "RandomFlip",
            "RandomGaussianBlur",
            "RandomGrayscale",
            "RandomHue",
            "RandomInvert",
            "RandomPerspective",
            "RandomPosterization",
            "RandomRotation",
            "RandomSaturation",
            "RandomSharpness",
            "RandomShear",
            "RandomTranslation",
            "RandomZoom",
            "Solarization",
        ],
        _IMAGES,
    ),
    **dict.fromkeys(["GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"], _CELL),
    **dict.fromkeys(["Layer", "Wrapper"], _ABSTRACT),
    **dict.fromkeys(
        ["FlaxLayer", "JaxLayer", "TorchModuleWrapper", "TFSMLayer"], _OTHER
    ),
    **dict.fromkeys(
        [
            "Discretization",
            "HashedCrossing",
            "Hashing",
            "IntegerLookup",
            "StringLookup",
            "TextVectorization",
        ],
        _LOOKUP,
    ),
    "InputLayer": "the input itself, part of every row",
    "Pipeline": "a sequence of preprocessing layers",
    "MelSpectrogram": "prepares sound; belongs in the data pipeline",
    "STFTSpectrogram": "prepares sound; belongs in the data pipeline",
}


class Row(NamedTuple):
    """What was found of a layer: "yes", "no", or what stood in the way."""

    at_once: str
    one_by_one: str
    compiled: str
    second_order: str


def public_layers() -> dict[str, list[str]]:
    """Every class of `keras.layers`, by its own name, and all its names."""
    names: dict[type, list[str]] = {}
    for name in dir(keras.layers):
        found = getattr(keras.layers, name)
        if inspect.isclass(found) and issubclass(found, keras.layers.Layer):
            names.setdefault(found, []).append(name)
    return {
        found.__name__ if found.__name__ in every else every[0]: every
        for found, every in names.items()
    }


def measure(name: str) -> Row:
    """Tries a layer."""
    gradients, said, failed = {}, {}, {}
    for way in ("at_once", "one_by_one", "compiled"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                _, gradients[way] = gradients_of(name, way)
            except Exception as error:
                failed[way] = type(error).__name__
        said[way] = any(issubclass(w.category, TasksOneByOne) for w in caught)
    plain = gradients.get("one_by_one")

    def compared(way: str) -> str:
        if way in failed:
            return f"no: {failed[way]}"
        if said[way]:
            return "one by one"
        return "yes" if _close(gradients[way], plain) else "no: other numbers"

    if plain is None:
        nothing = f"no: {failed['one_by_one']}"
        return Row(compared("at_once"), nothing, "no", "no")
    compiled = "yes" if "compiled" not in failed else f"no: {failed['compiled']}"
    if compiled == "yes" and not _close(gradients["compiled"], plain):
        drawn = "Dropout" in name or "Noise" in name
        compiled = "yes, other draws" if drawn else "no: other numbers"
    return Row(compared("at_once"), "yes", compiled, _second_order(name, plain))


def _learner(name: str, way: str) -> tuple[MAML, tuple]:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    if name in OF_NUMBERS:
        inputs = keras.Input((4,), dtype="int32")
        hidden = OF_NUMBERS[name](inputs)
        rows = rng.integers(0, 9, size=(2, 2, 4, 4))
    else:
        shape = SHAPES.get(name) or INPUTS.get(name[-2:]) or _transposed(name)
        inputs = keras.Input(shape)
        hidden = keras.layers.Dense(shape[-1])(inputs)
        hidden = CALLS[name](hidden) if name in CALLS else _make(name)(hidden)
        rows = rng.normal(size=(2, 2, 4, *shape))
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(hidden))
    learner = MAML(
        keras.Model(inputs, outputs),
        inner_steps=1,
        inner_learning_rate=0.2,
        vectorized=way != "one_by_one",
    )
    learner.compile(keras.optimizers.SGD(0.1))
    labels = np.array([[0, 1, 0, 1]] * 2)
    x = {
        "support_inputs": tf.constant(rows[0]),
        "support_targets": tf.constant(labels),
        "query_inputs": tf.constant(rows[1]),
    }
    return learner, (x, tf.constant(labels), None)


def _transposed(name: str) -> tuple[int, ...]:
    return next((INPUTS[key] for key in INPUTS if key in name), VECTOR)


def _make(name: str) -> keras.layers.Layer:
    layer = getattr(keras.layers, name)
    if name in ARGUMENTS:
        return layer(*ARGUMENTS[name])
    if name.startswith("Depthwise"):
        return layer(2, padding="same")
    if "Conv" in name:
        return layer(2, 2, padding="same")
    if name.startswith(("Adaptive", "AveragePooling", "MaxPooling")):
        return layer(2)
    return layer(0.4) if name.startswith("SpatialDropout") else layer()


def gradients_of(name: str, way: str) -> tuple[float, list[np.ndarray]]:
    learner, episode = _learner(name, way)

    @tf.function(autograph=False, jit_compile=way == "compiled")
    def compute():
        loss, _, gradients = learner.compute_meta_gradients(*episode)
        return loss, [
            tf.zeros(v.shape, v.dtype) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(gradients, learner.trainable_variables, strict=True)
        ]

    loss, gradients = compute()
    return float(loss), [g.numpy() for g in gradients]


def _second_order(name: str, gradients: list[np.ndarray]) -> str:
    """Compares with finite differences of the outer loss."""
    learner, episode = _learner(name, "one_by_one")
    variables = learner.trainable_variables
    start = [v.numpy() for v in variables]
    rest = [(v, v.numpy()) for v in learner.non_trainable_variables]
    rng = np.random.default_rng(1)
    direction = [rng.normal(size=v.shape) for v in variables]

    @tf.function(autograph=False)
    def compute():
        losses, _ = learner.query_losses(*episode, training=True)
        return tf.reduce_mean(losses)

    def loss(size: float) -> float:
        for v, value, along in zip(variables, start, direction, strict=True):
            v.assign(value + size * along)
        for v, value in rest:  # seeds and statistics as they were
            v.assign(value)
        return float(compute())

    size = 1e-6
    slope = (loss(size) - loss(-size)) / (2 * size)
    found = sum(np.vdot(g, d) for g, d in zip(gradients, direction, strict=True))
    return "yes" if abs(found - slope) < 1e-4 * max(abs(slope), 1e-2) else "no"


def _close(one: list[np.ndarray], other: list[np.ndarray] | None) -> bool:
    return other is not None and all(
        np.allclose(a, b, rtol=1e-6, atol=1e-9) for a, b in zip(one, other, strict=True)
    )


def line(name: str, row: Row) -> str:
    """A row of the table in Markdown."""
    names = ", ".join(f"`{n}`" for n in sorted(public_layers()[name], key=_last(name)))
    return f"| {names} | " + " | ".join(row) + " |"


def _last(name: str):
    return lambda other: (other != name, other)


def rows_of(text: str) -> dict[str, Row]:
    """The measured rows of a document, by the layer's own name."""
    found = {}
    for text_line in text.splitlines():
        cells = [cell.strip() for cell in text_line.strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("`"):
            found[cells[0].split("`")[1]] = Row(*cells[1:])
    return found


def write(lines: list[str]) -> None:
    """Puts the rows between the table's head and the next heading."""
    before, rest = DOC.read_text().split(COLUMNS + "\n")
    _, after = rest.split("\n\n", 1)
    ruler = "|" + "---|" * 5
    DOC.write_text("\n".join([before + COLUMNS, ruler, *lines]) + "\n\n" + after)


def main(names: list[str]) -> None:
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    every = [name for name in sorted(public_layers()) if name not in NOT_TRIED]
    lines = []
    for name in names or every:
        lines.append(line(name, measure(name)))
        print(lines[-1], flush=True)
    if not names:
        write(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
