"""tf-keras models of every kind as base learners."""

import threading

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from base_learner_checks import assert_vectorises, meta_gradients, saved_and_loaded

from maml_tf.base_learners import BaseLearnerError, from_tf_keras, head_of

layers = tf_keras.layers


def sequential():
    return tf_keras.Sequential(
        [
            layers.Dense(5, activation="tanh", input_shape=[3], name="hidden"),
            layers.LayerNormalization(name="norm"),
            layers.Dense(2, name="output"),
        ]
    )


def functional():
    tokens = tf_keras.Input([4], dtype="int32")
    vectors = layers.Embedding(7, 6, mask_zero=True, name="table")(tokens)
    mixed = layers.MultiHeadAttention(2, 3, name="attention")(vectors, vectors)
    pooled = layers.GlobalAveragePooling1D()(mixed)
    return tf_keras.Model(tokens, layers.Dense(2, name="output")(pooled))


@tf_keras.saving.register_keras_serializable(package="maml_tf_tests")
class Subclassed(tf_keras.Model):
    def __init__(self, width=4, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.blocks = [
            layers.Dense(width, activation="tanh", name=f"block_{index}")
            for index in range(2)
        ]
        self.scales = {"first": tf.Variable(2.0, name="scale")}
        self.head = layers.Dense(2, name="output")

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return self.head(inputs * self.scales["first"])

    def get_config(self):
        return {"width": self.width}


def built_subclassed():
    model = Subclassed(name="subclassed")
    model(tf.ones([2, 3]))
    return model


def with_state(rate=0.0):
    return tf_keras.Sequential(
        [
            layers.Dense(5, input_shape=[3]),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(rate),
            layers.Dense(2, name="output"),
        ]
    )


def batch(*shape):
    values = np.random.default_rng(0).normal(size=shape)
    return tf.constant(values.astype("float32"))


MODELS = {
    "sequential": (sequential, batch(2, 4, 3)),
    "functional": (functional, tf.constant([[[1, 2, 3, 0]] * 3, [[4, 5, 6, 1]] * 3])),
    "subclassed": (built_subclassed, batch(2, 4, 3)),
    "batch-norm": (with_state, batch(2, 4, 3)),
}


@pytest.mark.parametrize("kind", MODELS)
def test_outputs_and_variables_are_those_of_the_model(kind):
    make, inputs = MODELS[kind]
    model = make()
    base = from_tf_keras(model)
    np.testing.assert_allclose(base(inputs[0]), model(inputs[0]), atol=1e-6)
    assert len(base.trainable_variables) == len(model.trainable_variables)
    assert not base.shared_variables
    paths = [v.path for v in base.variables]
    assert len(set(paths)) == len(paths)
    assert head_of(base).name == "output"


def test_values_are_read_from_the_keras_3_variables():
    model = sequential()
    base = from_tf_keras(model)
    before = model(batch(1, 3))
    base.trainable_variables[0].assign(base.trainable_variables[0] + 1.0)
    assert np.any(base(batch(1, 3)) != before)
    np.testing.assert_array_equal(model(batch(1, 3)), before)
    np.testing.assert_allclose(base.to_tf_keras()(batch(1, 3)), base(batch(1, 3)))


@pytest.mark.parametrize("kind", MODELS)
def test_differentiates_twice_with_other_weights_for_every_task(kind):
    make, inputs = MODELS[kind]
    base = from_tf_keras(make())
    # In training, batch normalisation assigns its averages: see the next test.
    assert_vectorises(base, inputs, training=False, xla=kind == "subclassed")


def test_moving_averages_go_to_the_keras_3_variables():
    model = with_state()
    base = from_tf_keras(model)
    mean = next(v for v in base.non_trainable_variables if "moving_mean" in v.path)
    original = next(v for v in model.variables if "moving_mean" in v.name)
    outputs, state = base.stateless_call(
        base.trainable_variables,
        base.non_trainable_variables,
        batch(6, 3) + 3.0,
        training=True,
    )
    index = [v.path for v in base.non_trainable_variables].index(mean.path)
    assert np.any(state[index] != 0.0)
    np.testing.assert_array_equal(mean, 0.0)
    np.testing.assert_array_equal(original, 0.0)
    base(batch(6, 3) + 3.0, training=True)
    np.testing.assert_allclose(mean, state[index], atol=1e-6)
    np.testing.assert_allclose(
        outputs, model(batch(6, 3) + 3.0, training=True), atol=1e-5
    )
    np.testing.assert_allclose(original, mean, atol=1e-6)


def test_dropout_draws_from_the_keras_3_seed():
    base = from_tf_keras(with_state(rate=0.5))
    inputs = batch(8, 3)
    one, other = base(inputs, training=True), base(inputs, training=True)
    assert np.any(one != other)
    np.testing.assert_array_equal(base(inputs), base(inputs))
    call = tf.function(
        lambda: base.stateless_call(
            base.trainable_variables,
            base.non_trainable_variables,
            inputs,
            training=True,
        )[0]
    )
    np.testing.assert_array_equal(call(), call())


def test_fits_as_a_keras_3_model():
    base = from_tf_keras(with_state(rate=0.1))
    base.compile("sgd", "mse")
    history = base.fit(batch(16, 3), np.ones([16, 2]), epochs=3, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def recurrent(unroll):
    return tf_keras.Sequential(
        [
            layers.LSTM(3, unroll=unroll, input_shape=[4, 2]),
            layers.Dense(2, name="output"),
        ]
    )


def test_an_lstm_runs_and_differentiates_twice():
    model = recurrent(unroll=False)
    base = from_tf_keras(model)
    inputs = batch(2, 3, 4, 2)
    np.testing.assert_allclose(base(inputs[0]), model(inputs[0]), atol=1e-6)
    assert np.all(np.isfinite(meta_gradients(base, inputs, how="loop")[0]))


def test_an_unrolled_lstm_vectorises():
    assert_vectorises(
        from_tf_keras(recurrent(unroll=True)), batch(2, 3, 4, 2), xla=False
    )


def test_frozen_layers_stay_frozen():
    model = sequential()
    model.get_layer("hidden").trainable = False
    paths = [v.path for v in from_tf_keras(model).trainable_variables]
    assert paths == ["norm/gamma", "norm/beta", "output/kernel", "output/bias"]


def test_mixed_precision():
    tf_keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = sequential()
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    base = from_tf_keras(model)
    assert {v.dtype for v in base.trainable_variables} == {"float32"}
    np.testing.assert_array_equal(base(batch(2, 3)), model(batch(2, 3)))


@pytest.mark.parametrize("kind", MODELS)
def test_saved_and_loaded_is_the_same(tmp_path, kind):
    make, inputs = MODELS[kind]
    base = from_tf_keras(make())
    for variable in base.trainable_variables:
        variable.assign(variable + 0.1)
    loaded = saved_and_loaded(base, tmp_path)
    np.testing.assert_array_equal(loaded(inputs[0]), base(inputs[0]))
    assert [v.path for v in loaded.variables] == [v.path for v in base.variables]


def test_a_subclassed_model_without_config_says_so(tmp_path):
    class Nameless(tf_keras.Model):
        def __init__(self, dense):
            super().__init__()
            self.dense = dense

        def call(self, inputs):
            return self.dense(inputs)

        def get_config(self):
            raise NotImplementedError

    model = Nameless(layers.Dense(2))
    model(batch(2, 3))
    base = from_tf_keras(model)
    with pytest.raises(BaseLearnerError, match="needs a get_config"):
        base.save(tmp_path / "model.keras")


class LoadedLayer(layers.Layer):
    """As `hub.KerasLayer` does: variables inside functions that were loaded."""

    def __init__(self, loaded, listed=True, **kwargs):
        super().__init__(**kwargs)
        self.loaded = loaded
        if listed:
            self.add_weight(
                name="table",
                shape=loaded.table.shape,
                getter=lambda *_, **__: loaded.table,
            )

    def call(self, inputs):
        return self.loaded(inputs)


@pytest.fixture
def loaded_module(tmp_path):
    module = tf.Module()
    module.table = tf.Variable(tf.ones([3, 4]), name="table")
    module.__call__ = tf.function(
        lambda x: x @ module.table, input_signature=[tf.TensorSpec([None, 3])]
    )
    tf.saved_model.save(module, str(tmp_path / "saved"))
    return tf.saved_model.load(str(tmp_path / "saved"))


@pytest.mark.parametrize("listed", [True, False])
def test_variables_in_a_saved_model_stay_shared(loaded_module, listed):
    model = tf_keras.Sequential(
        [
            tf_keras.Input([3]),
            LoadedLayer(loaded_module, listed),
            layers.Dense(2, name="output"),
        ]
    )
    with pytest.warns(UserWarning, match=r"stay shared.*table"):
        base = from_tf_keras(model)
    assert base.shared_variables == ["table:0"]
    assert [v.path for v in base.trainable_variables] == [
        "output/kernel",
        "output/bias",
    ]
    np.testing.assert_allclose(base(batch(2, 3)), model(batch(2, 3)), atol=1e-6)


def test_a_model_that_is_all_saved_model_is_refused(loaded_module):
    model = tf_keras.Sequential([tf_keras.Input([3]), LoadedLayer(loaded_module)])
    with pytest.raises(BaseLearnerError, match="No trainable variable"):
        from_tf_keras(model)


def test_a_compiled_call_is_found_out():
    class Compiled(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2, name="output")

        @tf.function
        def call(self, inputs):
            return self.dense(inputs)

    model = Compiled()
    model(batch(2, 3))
    with pytest.raises(BaseLearnerError, match="No trainable variable"):
        from_tf_keras(model)


def test_the_model_is_whole_again_after_an_error():
    model = functional()
    base = from_tf_keras(model)
    kernel = model.get_layer("output").kernel
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        base(tf.ones([2, 3, 5, 1], tf.int32))
    assert model.get_layer("output").kernel is kernel
    assert isinstance(kernel, tf.Variable)


def test_threads_do_not_see_each_others_values():
    base = from_tf_keras(sequential())
    state = base.non_trainable_variables
    wrong = []

    def run(scale):
        weights = [tf.ones(v.shape) * scale for v in base.trainable_variables]
        expected = base.stateless_call(weights, state, batch(2, 3))[0]
        for _ in range(10):
            found = base.stateless_call(weights, state, batch(2, 3))[0]
            if np.any(found != expected):
                wrong.append(scale)

    threads = [threading.Thread(target=run, args=(scale,)) for scale in (0.5, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_is_no_built_tf_keras_model_is_refused():
    import keras

    with pytest.raises(BaseLearnerError, match="takes a tf_keras"):
        from_tf_keras(keras.Sequential([keras.Input([2]), keras.layers.Dense(1)]))
    with pytest.raises(BaseLearnerError, match="call it on a batch"):
        from_tf_keras(tf_keras.Sequential([layers.Dense(1)]))


def test_unknown_sizes_can_be_given_by_sample_inputs():
    model = tf_keras.Sequential(
        [
            tf_keras.Input([None, 2]),
            layers.Conv1D(3, 5, name="wide"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2, name="output"),
        ]
    )
    with pytest.raises(BaseLearnerError, match="give sample_inputs"):
        from_tf_keras(model)
    base = from_tf_keras(model, sample_inputs=batch(1, 8, 2))
    assert base(batch(2, 9, 2)).shape == (2, 2)
