"""The table of docs/layers.md names every layer; some of its rows are tried anew."""

import re

import pytest
from layer_table import DOC, NOT_TRIED, Row, measure, public_layers, rows_of

TEXT = DOC.read_text()


def test_every_layer_of_keras_stands_in_the_document():
    named = set(re.findall(r"`(\w+)`", TEXT))
    missing = {n for names in public_layers().values() for n in names} - named
    assert not missing
    assert not set(rows_of(TEXT)) & set(NOT_TRIED)


@pytest.mark.parametrize("name", ["Dense"])
def test_a_row_is_what_is_found(name, float64):
    assert measure(name) == rows_of(TEXT)[name] == Row("yes", "yes", "yes", "yes")
