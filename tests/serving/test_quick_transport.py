"""The quick way into an export gives the same answers, and needs no Keras."""

import subprocess
import sys

import numpy as np
import pytest
from serving.small_exports import LABELS, QUERIES, SUPPORT, exports

from maml_tf.serving import AdaptedState, Client, RequestError, ServiceError
from maml_tf.serving.quick_transport import QuickTransport


@pytest.mark.parametrize("kind", ["prototypical", "maml"])
def test_it_answers_as_the_slow_way_does(kind):
    folder = exports(kind).folder
    plain = Client(folder)
    with Client(QuickTransport(folder.parent)) as quick:
        expected = plain.classify(SUPPORT, LABELS, QUERIES)
        state = AdaptedState.from_bytes(quick.adapt(SUPPORT, LABELS).to_bytes())
        for answers in (
            quick.classify(SUPPORT, LABELS, QUERIES),
            quick.predict(state, QUERIES),
            plain.predict(state, QUERIES),
        ):
            assert answers.intents == expected.intents
            assert answers.class_names == ["light", "music"]
            np.testing.assert_array_equal(answers.in_scope, expected.in_scope)
            np.testing.assert_allclose(
                answers.probabilities, expected.probabilities, atol=1e-5
            )
        np.testing.assert_allclose(
            quick.embed(QUERIES), plain.embed(QUERIES), atol=1e-5
        )
        with pytest.raises(RequestError, match="two intents or more and has 1"):
            quick.classify(SUPPORT, ["a"] * 4, QUERIES)
    with pytest.raises(ServiceError, match="closed"):
        quick.embed(QUERIES)


@pytest.mark.parametrize("content", [b"half", b""])
def test_half_an_export_is_told_as_such(tmp_path, content):
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ServiceError, match="may be incomplete; export it again"):
        QuickTransport(tmp_path)


@pytest.mark.parametrize("client", ["Client(QuickTransport(path))", "Client(path)"])
def test_a_folder_is_asked_without_keras(client):
    code = f"""
import sys
from maml_tf.serving import Client
from maml_tf.serving.quick_transport import QuickTransport
path = {str(exports("prototypical").folder)!r}
print({client}.classify(["on", "off"], ["yes", "no"], ["on"]).class_names)
print([name for name in ("keras", "keras_nlp", "matplotlib") if name in sys.modules])
import keras
print(keras.__version__[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["['no', 'yes']", "[]", "3"]
