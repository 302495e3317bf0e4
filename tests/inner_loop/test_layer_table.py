"""The table of docs/layers.md names every layer; some of its rows are tried anew."""

import re

import numpy as np
import pytest
from layer_table import (
    DOC,
    NOT_TRIED,
    Row,
    gradients_of,
    measure,
    public_layers,
    rows_of,
)

TEXT = DOC.read_text()


def test_every_layer_of_keras_stands_in_the_document():
    named = set(re.findall(r"`(\w+)`", TEXT))
    missing = {n for names in public_layers().values() for n in names} - named
    assert not missing
    assert not set(rows_of(TEXT)) & set(NOT_TRIED)


TRIED = {
    "Dense": Row("yes", "yes", "yes", "yes"),
    "DepthwiseConv2D": Row("yes", "yes", "yes", "yes"),
    "EinsumDense": Row("yes", "yes", "yes", "yes"),
    "GaussianNoise": Row("yes", "yes", "yes, other draws", "yes"),
    "CategoryEncoding": Row("one by one", "yes", "yes", "yes"),
}


@pytest.mark.parametrize("name", TRIED)
def test_a_row_is_what_is_found(name, float64):
    assert measure(name) == rows_of(TEXT)[name] == TRIED[name]


def test_under_xla_a_seed_draws_its_own_masks_again_and_again(float64):
    def learn(compiled):
        _, gradients = gradients_of("Dropout", "compiled" if compiled else "at_once")
        return gradients[0]

    graph, compiled = learn(False), learn(True)
    np.testing.assert_array_equal(learn(False), graph)
    np.testing.assert_array_equal(learn(True), compiled)
    assert np.abs(graph - compiled).max() > 1e-3
    assert "draw other masks" in TEXT
