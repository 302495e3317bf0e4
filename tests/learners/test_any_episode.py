"""Episodes of any structure are trained on or refused by the name of what is wrong."""

import keras
import numpy as np
import pytest

pytest.importorskip("hypothesis")

from fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st

from maml_tf import MAML, PrototypicalNetwork
from maml_tf.learners import EpisodeError

PARTS = ("support_inputs", "support_targets", "query_inputs", "query_targets")


def episode():
    numbers = np.random.default_rng(0)
    return {
        "support_inputs": numbers.normal(size=(2, 4, 3)).astype("float32"),
        "support_targets": np.tile([0, 1], (2, 2)),
        "query_inputs": numbers.normal(size=(2, 2, 3)).astype("float32"),
        "query_targets": np.tile([0, 1], (2, 1)),
    }


CHANGES = {
    "as it is": lambda a: a,
    "a list": lambda a: a.tolist(),
    "one task": lambda a: a[:1],
    "no task": lambda a: a[:0],
    "no example": lambda a: a[:, :0],
    "without its first axis": lambda a: a[0],
    "one axis more": lambda a: a[..., None],
    "text": lambda a: a.astype(str),
    "bytes": lambda a: a.astype(str).astype(bytes),
    "objects": lambda a: a.astype(object),
    "complex": lambda a: a.astype("complex64"),
    "booleans": lambda a: a.astype(bool),
    "small numbers": lambda a: a.astype("int8"),
    "NaN": lambda a: np.full_like(a, np.nan, dtype="float32"),
    "one NaN": lambda a: np.where(np.arange(a.size).reshape(a.shape) == 1, np.nan, a),
    "infinite": lambda a: np.full_like(a, np.inf, dtype="float32"),
    "negative": lambda a: -1 - np.abs(a),
    "halves": lambda a: a + 0.5,
    "large": lambda a: a + 1000,
    "nothing": lambda a: None,
    "a string": lambda a: "task",
    "a number": lambda a: 3,
    "a dictionary": lambda a: {"inputs": a},
    "fewer columns": lambda a: a[..., :1],
}


@pytest.fixture(scope="module", params=("maml", "prototypical"))
def learner(request):
    base = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    made = (
        MAML(base, inner_steps=1)
        if request.param == "maml"
        else PrototypicalNetwork(base)
    )
    made.compile("sgd", run_eagerly=True)
    return made, base.get_weights()


@fuzz(60)
@given(
    changes=st.dictionaries(
        st.sampled_from(PARTS), st.sampled_from(sorted(CHANGES)), max_size=2
    ),
    left_out=st.one_of(st.none(), st.none(), st.sampled_from(PARTS[:3])),
    added=st.booleans(),
)
def test_an_episode_of_any_structure(learner, changes, left_out, added):
    learner, start = learner
    # Else thousands of steps on large numbers would end in infinity.
    learner.base_learner.set_weights(start)
    parts = episode()
    for name, change in changes.items():
        parts[name] = CHANGES[change](parts[name])
    y = parts.pop("query_targets")
    parts.pop(left_out, None)
    if added:
        parts["more"] = np.zeros((2, 3))
    try:
        found = learner.train_on_batch(parts, y, return_dict=True)
    except EpisodeError as error:
        text = str(error)
        assert any(name in text for name in (*PARTS, "x", "y", "more", "task")), text
        assert len(text) < 500 and "Traceback" not in text
        return
    assert set(changes.values()) <= {
        *("as it is", "a list", "objects", "booleans", "small numbers", "large"),
        *("negative", "halves", "one task", "one axis more"),
    }, changes
    assert np.isfinite(found["loss"])
