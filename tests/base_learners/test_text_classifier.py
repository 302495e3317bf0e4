"""The text classifier from scratch: shapes, options, saving, derivatives."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from base_learner_checks import assert_vectorises, saved_and_loaded

from maml_tf.base_learners import BaseLearnerError, create_model, head_of

TEXTS = ["turn on the light", "Hello!"]
TINY = {"num_layers": 2, "hidden_dim": 16, "sequence_length": 24}


def tiny(**options):
    return create_model(**{**TINY, "num_classes": 3, "seed": 1, **options})


def token_tasks(model, tasks=2, length=8):
    tokens = model.preprocessor(["turn it", "off please"] * tasks)
    return {
        name: tf.reshape(tensor[:, :length], (tasks, 2, length))
        for name, tensor in tokens.items()
    }


def test_from_scratch_with_nothing_else_given_it_works():
    model = create_model("scratch")
    assert model(model.preprocessor(TEXTS)).shape == (2, 5)
    assert model.head.name == "head"
    assert head_of(model) is model.head


def test_call_is_classify_of_encode_and_the_head_is_linear():
    model = tiny()
    tokens = model.preprocessor(TEXTS)
    features = model.encode(tokens)
    assert features.shape == (2, 16)
    expected = features @ model.head.kernel + model.head.bias
    np.testing.assert_allclose(model(tokens), expected, atol=1e-6)
    np.testing.assert_allclose(model.classify(features), expected, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_cropping_the_padding_changes_nothing(pooling):
    model = tiny(pooling=pooling)
    tokens = model.preprocessor(["hi", "yes"])
    cropped = {name: tensor[:, :8] for name, tensor in tokens.items()}
    np.testing.assert_allclose(model(tokens), model(cropped), atol=1e-5)


def test_mean_pooling_ignores_padding():
    model = tiny()
    tokens = model.preprocessor(["hi"])
    vectors = model.backbone(tokens)["sequence_output"].numpy()
    real = int(np.sum(tokens["padding_mask"]))
    assert real == 4
    np.testing.assert_allclose(
        model.encode(tokens)[0], vectors[0, :real].mean(axis=0), atol=1e-6
    )


def test_a_tensor_of_strings_inside_a_dataset():
    model = tiny()
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2).map(model.preprocessor)
    [tokens] = list(dataset)
    np.testing.assert_array_equal(
        tokens["token_ids"], model.preprocessor(TEXTS)["token_ids"]
    )


def test_the_scratch_string_says_sizes():
    model = create_model("scratch:num_layers=1,hidden_dim=8,num_heads=4")
    assert model.backbone.num_layers == 1
    assert model.backbone.hidden_dim == 8
    assert model.backbone.num_heads == 4


def test_the_same_seed_gives_the_same_weights():
    for one, other in zip(tiny().weights, tiny().weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.any(tiny(seed=2).head.kernel != tiny().head.kernel)


def test_dropout_is_off_unless_asked_for():
    model = tiny()
    tokens = model.preprocessor(TEXTS)
    np.testing.assert_array_equal(model(tokens, training=True), model(tokens))
    assert not any("seed" in v.path for v in model.variables)
    wet = tiny(dropout=0.5)
    assert np.any(wet(tokens, training=True) != wet(tokens, training=True))


def test_embeddings_can_be_frozen():
    trainable = {v.path for v in tiny().trainable_variables}
    kept = {v.path for v in tiny(trainable_embeddings=False).trainable_variables}
    assert trainable - kept == {
        f"{table}_embedding/embeddings" for table in ("token", "position", "segment")
    }


def test_every_trainable_variable_gets_a_gradient():
    model = tiny()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(model.preprocessor(TEXTS)) ** 2)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert all(gradient is not None for gradient in gradients)


def test_saved_and_loaded_is_the_same(tmp_path):
    model = tiny(trainable_embeddings=False, pooling="first")
    loaded = saved_and_loaded(model, tmp_path)
    tokens = loaded.preprocessor(TEXTS)
    np.testing.assert_array_equal(
        tokens["token_ids"], model.preprocessor(TEXTS)["token_ids"]
    )
    np.testing.assert_array_equal(loaded(tokens), model(tokens))
    assert len(loaded.trainable_variables) == len(model.trainable_variables)
    assert loaded.encoder.pooling == "first"


def test_saved_after_fit_and_loaded_with_only_this_package_imported(tmp_path):
    model = tiny(num_layers=1)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(model.preprocessor(TEXTS), np.array([0, 1]), verbose=0)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "expected.npy", model(model.preprocessor(TEXTS)))
    program = (
        "import sys, numpy, maml_tf.base_learners, keras\n"
        "model = keras.models.load_model(sys.argv[1] + '/model.keras')\n"
        f"found = model(model.preprocessor({TEXTS!r})).numpy()\n"
        "numpy.testing.assert_array_equal(found, numpy.load(sys.argv[1] + "
        "'/expected.npy'))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)


@keras.saving.register_keras_serializable(package="maml_tf_tests")
class Wrapper(keras.Model):
    def __init__(self, base, **kwargs):
        super().__init__(**kwargs)
        self.base = base

    def call(self, inputs):
        return self.base(inputs)

    def get_config(self):
        base = keras.saving.serialize_keras_object(self.base)
        return {**super().get_config(), "base": base}

    @classmethod
    def from_config(cls, config):
        base = keras.saving.deserialize_keras_object(config.pop("base"))
        return cls(base, **config)


@pytest.mark.parametrize("rank", [None, 2])
def test_survives_inside_another_model(tmp_path, rank):
    base = tiny(lora_rank=rank)
    model = Wrapper(base)
    tokens = base.preprocessor(TEXTS)
    expected = model(tokens)
    loaded = saved_and_loaded(model, tmp_path)
    np.testing.assert_array_equal(loaded(loaded.base.preprocessor(TEXTS)), expected)


def test_config_round_trip_keeps_every_option():
    model = tiny(lora_rank=2, trainable_embeddings=False, pooling="first")
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    tokens = model.preprocessor(TEXTS)
    np.testing.assert_array_equal(copy(tokens), model(tokens))
    assert copy.get_config() == model.get_config()


def test_all_weights_differentiate_twice_in_a_graph_and_under_xla():
    model = tiny()
    assert "position_embedding/embeddings" in {
        v.path for v in model.trainable_variables
    }
    assert_vectorises(model, token_tasks(model))


def test_low_rank_factors_differentiate_twice():
    model = tiny(num_layers=1, lora_rank=2)
    assert_vectorises(model, token_tasks(model), xla=False)


def test_mixed_precision_gives_finite_logits():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = tiny()
        logits = model(model.preprocessor(TEXTS))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert np.all(np.isfinite(np.asarray(logits, "float32")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "num_classes"),
        ({"pooling": "last"}, "pooling"),
        ({"dropout": 1.0}, "dropout"),
        ({"lora_rank": 0}, "lora_rank"),
        ({"sequence_length": 2}, "sequence_length"),
        ({"hidden_dim": 15}, "no multiple"),
        ({"num_layers": 0}, "num_layers"),
        ({"vocabulary": ["a"]}, "lacks the special tokens"),
        ({"preset": "scratch:width=3"}, "'width=3'"),
        ({"preset": "scratch:num_layers=many"}, "'num_layers=many'"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(BaseLearnerError, match=message):
        create_model(**options)


def test_missing_inputs_are_named():
    model = tiny()
    with pytest.raises(ValueError, match="inputs lack"):
        model.encoder.call({"token_ids": np.ones((1, 4), "int32")})
