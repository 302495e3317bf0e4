"""LoRA factors: where they are, what they change, how they are saved."""

import numpy as np
import pytest
from base_learner_checks import saved_and_loaded

from maml_tf.base_learners import create_model

TEXTS = ["turn on the light", "Hello!"]


def tiny(**options):
    return create_model(
        num_layers=2, hidden_dim=16, sequence_length=24, seed=1, **options
    )


def test_outputs_are_the_same_at_first():
    plain, adapted = tiny(), tiny(lora_rank=2)
    tokens = plain.preprocessor(TEXTS)
    np.testing.assert_allclose(adapted(tokens), plain(tokens), atol=1e-6)


def test_only_the_factors_and_the_head_train():
    paths = [v.path for v in tiny(lora_rank=2).trainable_variables]
    factors = [path for path in paths if "lora" in path]
    assert len(factors) == 2 * 2 * 6
    assert len(set(factors)) == len(factors)
    assert set(paths) - set(factors) == {"head/kernel", "head/bias"}
    assert "transformer_layer_1/self_attention_layer/query/lora_kernel_b" in factors


def test_factors_are_saved_as_they_are(tmp_path):
    model = tiny(lora_rank=2)
    for index, variable in enumerate(model.trainable_variables):
        variable.assign(variable + 0.01 * (index + 1))
    loaded = saved_and_loaded(model, tmp_path)
    for one, other in zip(model.weights, loaded.weights, strict=True):
        assert one.path == other.path
        assert one.trainable == other.trainable
        np.testing.assert_array_equal(one, other)
    tokens = model.preprocessor(TEXTS)
    np.testing.assert_array_equal(loaded(tokens), model(tokens))


@pytest.mark.parametrize("name", ["query", "attention_output", "dense"])
def test_factors_are_the_merged_kernel_with_less_work(name):
    layer = tiny(lora_rank=2).backbone.get_layer("transformer_layer_0")
    attention = layer._self_attention_layer
    layer, shape = {
        "query": (attention._query_dense, (3, 5, 16)),
        "attention_output": (attention._output_dense, (3, 5, 2, 8)),
        "dense": (layer._feedforward_output_dense, (3, 5, 64)),
    }[name]
    rng = np.random.default_rng(0)
    for factor in (layer.lora_kernel_a, layer.lora_kernel_b):
        factor.assign(rng.normal(size=factor.shape))
    inputs = rng.normal(size=shape).astype("float32")
    axes = len(shape) - 2
    expected = np.tensordot(inputs, np.array(layer.kernel), axes) + np.array(layer.bias)
    np.testing.assert_allclose(layer(inputs), expected, rtol=1e-4, atol=1e-4)
    delta = np.array(layer.kernel) - np.array(layer._kernel)
    rows = int(np.prod(delta.shape[:axes]))
    assert np.linalg.matrix_rank(delta.reshape(rows, -1), tol=1e-4) == 2
