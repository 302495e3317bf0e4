"""What Keras does with a model, it does with a learner."""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.learners import (
    MAML,
    EpisodeError,
    MAMLPlusPlus,
    PrototypicalNetwork,
    Reptile,
)

LOGITS = {"from_logits": True}


def network(outputs=2, **options):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(outputs, **options)])


def prototypical(**compile_arguments):
    keras.utils.set_random_seed(0)
    learner = PrototypicalNetwork(network(3), max_ways=2)
    learner.compile(**{"optimizer": keras.optimizers.SGD(0.0), **compile_arguments})
    return learner


def batched(*parts, size=2):
    return tf.data.Dataset.from_tensor_slices(parts).batch(size)


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def test_all_kinds_of_data_give_the_same():
    x, y = make_episodes(tasks=4)
    batches = list(batched(x, y).as_numpy_iterator())
    found = [
        prototypical().fit(data, verbose=0, **options).history["loss"][0]
        for data, options in (
            (batched(x, y), {}),
            (Batches(batches), {}),
            ((batch for batch in batches), {"steps_per_epoch": 2}),
        )
    ]
    found.append(prototypical().fit(x, y, 2, 1, 0, shuffle=False).history["loss"][0])
    np.testing.assert_allclose(found, found[0], rtol=1e-6)


def test_arguments_by_position():
    x, y = make_episodes()
    learner = PrototypicalNetwork(network(3), max_ways=2)
    loss = keras.losses.SparseCategoricalCrossentropy(**LOGITS)
    learner.compile("sgd", loss, None, ["accuracy"])
    assert set(learner.fit(x, y, 3, 2, 0).history) >= {"accuracy", "loss"}
    logs = learner.train_on_batch(x, y, None, {0: 1.0}, True)
    assert set(logs) == {"accuracy", "dropped_tasks", "loss"}
    assert set(learner.test_on_batch(x, y, None, True)) == set(logs)
    assert learner.predict(x, 2, 0).shape == (3, 8, 2)
    assert len(learner.evaluate(x, y, 2, 0)) == 3


def test_class_and_sample_weights_multiply():
    x, y = make_episodes(tasks=2)
    plain = prototypical(run_eagerly=True)
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(y, plain(x)).numpy()
    of_class = np.where(y == 1, 3.0, 1.0)
    of_task = np.array([0.5, 2.0], "float32")
    of_query = np.random.default_rng(0).random(y.shape).astype("float32")
    for given, weights in (
        (None, of_class),
        (of_task, of_class * of_task[:, None]),
        (of_query, of_class * of_query),
    ):
        for data in ((x, y, given), (x, np.eye(2, dtype="float32")[y], given)):
            learner = prototypical(run_eagerly=True)
            if data[1].ndim == 3:
                learner.compile(
                    keras.optimizers.SGD(0.0),
                    keras.losses.CategoricalCrossentropy(**LOGITS),
                    run_eagerly=True,
                )
            logs = learner.fit(*data[:2], class_weight={1: 3.0}, sample_weight=given)
            assert logs.history["loss"][0] == pytest.approx(
                np.mean(weights * each), rel=1e-5
            )
    data = batched(x, y, of_query)
    logs = prototypical().fit(data, class_weight={1: 3.0}, verbose=0).history
    assert logs["loss"][0] == pytest.approx(np.mean(of_class * of_query * each))
    again = prototypical()
    for weights in ({1: 3.0}, None):  # those of one fit are not those of the next
        logs = again.fit(x, y, class_weight=weights, verbose=0).history
    assert logs["loss"][0] == pytest.approx(np.mean(each), rel=1e-5)


@pytest.mark.parametrize(
    ("weights", "message"),
    [({-1: 1.0}, "class numbers"), ({0: float("nan")}, "not negative")],
)
def test_bad_class_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        prototypical().fit(*make_episodes(), class_weight=weights, verbose=0)


@pytest.mark.parametrize(
    "reduction", ["sum", "none", None, "mean", "mean_with_sample_weight"]
)
def test_reductions_are_keras_own(reduction):
    x, y = make_episodes()
    loss = keras.losses.SparseCategoricalCrossentropy(**LOGITS, reduction=reduction)
    learner = prototypical(loss=loss, run_eagerly=True)
    expected = np.mean(loss(y, learner(x)))
    fitted = learner.fit(x, y, verbose=0).history["loss"][0]
    assert fitted == pytest.approx(expected, rel=1e-5)
    assert learner.evaluate(x, y, verbose=0)[0] == pytest.approx(expected, rel=1e-5)


def test_metrics_that_want_a_flat_batch():
    x, y = make_episodes()
    one_hot = np.eye(2, dtype="float32")[y]
    learner = prototypical(
        loss=keras.losses.CategoricalCrossentropy(**LOGITS),
        metrics=[keras.metrics.F1Score(), keras.metrics.R2Score(), "accuracy"],
        weighted_metrics=[keras.metrics.CategoricalAccuracy(name="weighted")],
    )
    logs = learner.fit(x, one_hot, sample_weight=np.ones(3, "float32"), verbose=0)
    flat = learner.predict(x, verbose=0).reshape(-1, 2)
    right = float((flat.argmax(-1) == y.reshape(-1)).mean())
    assert logs.history["accuracy"] == [pytest.approx(right)]
    assert logs.history["weighted"] == [pytest.approx(right)]
    metric = keras.metrics.F1Score()
    metric.update_state(one_hot.reshape(-1, 2), flat)
    np.testing.assert_allclose(logs.history["f1_score"][0], metric.result())


@pytest.mark.parametrize(
    "metric", [keras.metrics.F1Score(), "precision", "categorical_accuracy"]
)
def test_metrics_of_one_hot_rows_beside_class_numbers(metric):
    learner = MAML(network(2), inner_steps=1)
    loss = keras.losses.SparseCategoricalCrossentropy(**LOGITS)
    learner.compile(loss=loss, metrics=[[metric]])
    with pytest.raises(EpisodeError, match=r"one-hot .*to_categorical\(y, 2\)"):
        learner.fit(*make_episodes(), verbose=0)


@pytest.mark.parametrize("metrics", [None, ["accuracy"]])
@pytest.mark.parametrize(
    ("kind", "options"), [(MAML, {"inner_steps": 1}), (PrototypicalNetwork, {})]
)
def test_the_first_step_is_traced_once(kind, options, metrics):
    traces = []

    class Counted(kind):
        def compute_meta_gradients(self, *arguments):
            traces.append(1)
            return super().compute_meta_gradients(*arguments)

    layers = [keras.Input((4,)), keras.layers.Dense(5), keras.layers.Dense(2)]
    learner = Counted(keras.Sequential(layers), **options)
    if metrics:
        loss = keras.losses.SparseCategoricalCrossentropy(**LOGITS)
        learner.compile("adam", loss, metrics=metrics)
    learner.fit(*make_episodes(), verbose=0)
    assert len(traces) == 1
    learner.fit(*make_episodes(), verbose=0)
    assert len(traces) == 1


def test_before_the_first_step_the_screen_says_what_is_happening(capsys):
    learner, episodes = prototypical(), make_episodes()
    learner.fit(*episodes)
    said = capsys.readouterr().out
    assert said.startswith("Tracing the first training step")
    learner.fit(*episodes)
    prototypical().fit(*episodes, verbose=0)
    assert "Tracing" not in capsys.readouterr().out


def test_dropped_tasks_are_in_no_log():
    x, y = make_episodes(tasks=4)
    spoilt = {key: value.copy() for key, value in x.items()}
    spoilt["query_inputs"][2, 0, 0] = np.nan
    rest = [0, 1, 3]
    expected = prototypical().train_on_batch(
        {key: value[rest] for key, value in x.items()}, y[rest], return_dict=True
    )
    data = tf.data.Dataset.from_tensors((spoilt, y))
    for jit in (False, True):
        logs = prototypical(jit_compile=jit).fit(data, verbose=0).history
        assert logs.pop("dropped_tasks") == [1.0]
        for key, (value,) in logs.items():
            assert value == pytest.approx(expected[key], rel=1e-5), key


def test_several_outputs_of_a_dict():
    x, y = make_episodes()
    inputs = keras.Input((4,))
    outputs = {"kind": keras.layers.Dense(2), "size": keras.layers.Dense(1)}
    base = keras.Model(inputs, {k: layer(inputs) for k, layer in outputs.items()})
    sizes = np.random.default_rng(0).random((3, 14, 1)).astype("float32")
    x["support_targets"] = {"kind": x["support_targets"], "size": sizes[:, :6]}
    targets = {"kind": y, "size": sizes[:, 6:]}
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(**LOGITS)
    learner = MAML(base, inner_steps=1)
    learner.compile(
        keras.optimizers.SGD(0.0),
        {"kind": cross_entropy, "size": "mse"},
        {"kind": 1.0, "size": 0.5},
        metrics={"kind": ["accuracy"]},
    )
    logs = learner.fit(x, targets, verbose=0).history
    predictions = learner.predict(x, verbose=0)
    expected = float(cross_entropy(y, predictions["kind"]))
    expected += 0.5 * np.square(predictions["size"] - sizes[:, 6:]).mean()
    assert logs["loss"] == [pytest.approx(expected, rel=1e-5)]
    assert 0 <= logs["kind_accuracy"][0] <= 1


def test_validation_and_callbacks(tmp_path):
    x, y = make_episodes(tasks=4)
    learner = prototypical(optimizer="adam", steps_per_execution=2)
    callbacks = [
        keras.callbacks.EarlyStopping("val_loss", patience=1),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
    ]
    logs = learner.fit(
        batched(x, y), epochs=2, verbose=0, callbacks=callbacks, validation_data=(x, y)
    ).history
    assert set(logs) >= {"val_loss", "val_accuracy"}
    best = keras.models.load_model(tmp_path / "best.keras")
    found = best.evaluate(x, y, verbose=0)[0]
    assert found == pytest.approx(min(logs["val_loss"]), rel=1e-4)
    split = learner.fit(x, y, 2, verbose=0, validation_split=0.5).history
    assert np.isfinite(split["val_loss"]).all()


def test_copies_predict_alike(tmp_path):
    x, _ = make_episodes()
    learner = prototypical()
    learner.log_scale.assign(0.5)
    expected = learner(x)
    clone = keras.models.clone_model(learner)
    clone.set_weights(learner.get_weights())
    learner.save_weights(tmp_path / "a.weights.h5")
    loaded = prototypical()
    loaded.load_weights(tmp_path / "a.weights.h5")
    pickled = pickle.loads(pickle.dumps(learner))
    for other in (clone, loaded, pickled, copy.deepcopy(learner)):
        np.testing.assert_allclose(other(x), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["old.h5", "old.hdf5"])
def test_a_file_that_could_not_be_loaded_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.keras"):
        prototypical().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "make",
    [
        lambda: MAMLPlusPlus(network(), inner_steps=2, first_order_steps=1),
        lambda: Reptile(network(), inner_steps=1),
        lambda: PrototypicalNetwork(network(3)),
    ],
)
def test_gradient_accumulation_moves_at_every_second_step(make):
    learner = make()
    learner.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    before = learner.get_weights()
    moved = []
    for _ in range(2):
        learner.train_on_batch(*make_episodes())
        after = learner.get_weights()
        moved.append(any((a != b).any() for a, b in zip(before, after, strict=True)))
    assert moved == [False, True]


@pytest.mark.parametrize("vectorized", [True, False])
def test_uneven_batches_with_dropout(vectorized):
    x, y = make_episodes(tasks=3)
    layers = [keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    base = keras.Sequential([keras.Input((4,)), *layers])
    learner = MAML(base, inner_steps=1, vectorized=vectorized)
    assert np.isfinite(learner.fit(x, y, 2, verbose=0).history["loss"]).all()
    # Masks are drawn in training alone.
    uneven = learner.predict(x, 2, verbose=0)
    np.testing.assert_allclose(uneven, learner.predict_on_batch(x), rtol=1e-5)


def test_regularisers_count_once_in_the_outer_loss_and_gradient():
    x, y = make_episodes()
    losses, moves = [], []
    for factor in (0.0, 0.1):
        keras.utils.set_random_seed(0)
        base = network(3, kernel_regularizer=keras.regularizers.L2(factor))
        learner = PrototypicalNetwork(base, max_ways=2)
        learner.compile(keras.optimizers.SGD(1.0))
        kernel = base.layers[0].kernel.numpy()
        losses.append(learner.train_on_batch(x, y, return_dict=True)["loss"])
        moves.append(base.layers[0].kernel.numpy() - kernel)
    assert losses[1] - losses[0] == pytest.approx(0.1 * np.square(kernel).sum())
    np.testing.assert_allclose(moves[0] - moves[1], 0.2 * kernel, rtol=1e-4, atol=1e-6)


def test_a_loss_of_ones_own_from_compute_loss():
    class Doubled(PrototypicalNetwork):
        def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
            return 2 * super().compute_loss(x, y, y_pred, sample_weight, training)

    x, y = make_episodes()
    learner = Doubled(network(3), max_ways=2)
    learner.compile(keras.optimizers.SGD(0.0))
    logs = learner.train_on_batch(x, y, return_dict=True)
    expected = 2 * keras.losses.SparseCategoricalCrossentropy(**LOGITS)(y, learner(x))
    assert logs["loss"] == pytest.approx(float(expected), rel=1e-5)


def test_a_broken_model_is_told_of_when_judged():
    x, y = make_episodes()
    learner = prototypical()
    learner.set_weights([np.full_like(w, np.nan) for w in learner.get_weights()])
    with pytest.warns(UserWarning, match="NaN or infinite"):
        learner.evaluate(x, y, verbose=0)


def test_other_strategies_are_refused():
    base = network(3)
    strategy = tf.distribute.experimental.CentralStorageStrategy()
    with strategy.scope():
        learner = PrototypicalNetwork(base)
        with pytest.raises(ValueError, match="MirroredStrategy, not under Central"):
            learner.compile()


def test_a_dataset_that_never_ends_is_refused_without_a_number_of_steps():
    x, y = make_episodes(tasks=4)
    endless, learner = batched(x, y).repeat(), prototypical()
    with pytest.raises(ValueError, match=r"never ends.* fit steps_per_epoch"):
        learner.fit(endless, verbose=0)
    with pytest.raises(ValueError, match="fit validation_steps"):
        learner.fit(x, y, validation_data=endless, verbose=0)
    for method in (learner.evaluate, learner.predict):
        with pytest.raises(ValueError, match=f"{method.__name__} steps"):
            method(endless, verbose=0)
    history = learner.fit(
        endless,
        steps_per_epoch=2,
        validation_data=endless,
        validation_steps=2,
        verbose=0,
    ).history
    np.testing.assert_allclose(history["loss"], history["val_loss"], rtol=1e-6)
