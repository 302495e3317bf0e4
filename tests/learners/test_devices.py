"""Training on two devices is training on one."""

import json
import subprocess
import sys

import numpy as np

# A process of its own, because devices are fixed before TensorFlow first runs.
SCRIPT = """
import json, keras, numpy as np, tensorflow as tf
two = [tf.config.LogicalDeviceConfiguration()] * 2
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, two)

from maml_tf import MAML
from maml_tf.episodes import EncodedCorpus, episode_dataset
from maml_tf.evaluation import episode_accuracies

random = np.random.default_rng(0)
labels = np.repeat(np.arange(6), 8).astype("int32")
centres, noise = random.normal(size=(6, 4)), random.normal(size=(48, 4))
rows = (2 * centres[labels] + 0.3 * noise).astype("float32")
corpus = EncodedCorpus(rows, labels, tuple("abcdef"))


def trained(strategy):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        layers = [keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(2)]
        base = keras.Sequential([keras.Input((4,)), *layers])
        learner = MAML(base, inner_steps=1, inner_learning_rate=0.3)
        learner.compile(keras.optimizers.SGD(0.1))
    tasks = episode_dataset(
        corpus, ways=2, shots=2, queries=3, tasks_per_batch=4, steps=3
    )
    history = learner.fit(tasks, epochs=2, verbose=0).history
    judged = learner.evaluate(tasks, verbose=0, return_dict=True)
    shares, run = [], strategy.run
    strategy.run = lambda *given, **named: shares.append(1) or run(*given, **named)
    for together in (4, 5):  # five are not shared evenly
        shape = {"ways": 2, "shots": 1, "queries": 4, "tasks_per_batch": together}
        judged[f"{together}"] = episode_accuracies(
            learner, corpus, episodes=20, **shape
        ).tolist()
    assert len(shares) == (5 if strategy.num_replicas_in_sync > 1 else 0)
    return history, judged, [v.numpy().tolist() for v in learner.trainable_variables]


mirrored = tf.distribute.MirroredStrategy(
    ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
)
one = trained(tf.distribute.get_strategy())
print("FOUND" + json.dumps([one, trained(mirrored)]))
"""


def test_two_devices_give_history_weights_and_episodes_of_one():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = json.loads(done.stdout.split("FOUND")[1])
    for place in (0, 1):  # of fit, and of evaluate
        assert one[place].keys() == two[place].keys() >= {"loss", "accuracy"}
        for name, values in one[place].items():
            np.testing.assert_allclose(two[place][name], values, rtol=1e-6)
    assert one[0]["loss"][1] < one[0]["loss"][0]
    for first, second in zip(one[2], two[2], strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-7)
