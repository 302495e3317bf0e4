"""This package, called as a user calls it: `MAML`, `compile`, `train_on_batch`."""

import itertools
from typing import Any

import keras
import tensorflow as tf

from maml_tf import MAML, create_model
from maml_tf.base_learners import create_conv_net
from training.common.strategies import scope_of
from training.research.meta_step import workloads


def create_base_learner(
    workload: workloads.Workload, vectorized: bool = True
) -> keras.Model:
    """The workload's base learner with the workload's starting weights."""
    if workload.architecture == "conv_net":
        model = create_conv_net(
            workload.ways,
            image_shape=(workload.length, workload.length, 1),
            filters=workload.width,
            blocks=workload.layers,
            convolution="patches" if vectorized else "native",
        )
    else:
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        words = [f"word{i}" for i in range(workload.vocabulary - len(special))]
        model = create_model(
            num_classes=workload.ways,
            vocabulary=special + words,
            sequence_length=workload.length,
            num_layers=workload.layers,
            hidden_dim=workload.width,
            num_heads=workload.heads,
            lora_rank=workload.lora_rank,
        )
    weights = workloads.make_weights(workload)
    for variable in model.variables:
        if variable.path in weights:
            variable.assign(weights[variable.path])
    return model


def create_learner(
    workload: workloads.Workload,
    inner_steps: int,
    *,
    jit_compile: bool = False,
    **options: Any,
) -> MAML:
    """MAML on the workload's base learner, compiled as the other contenders are."""
    learner = MAML(
        create_base_learner(workload, options.get("vectorized", True)),
        inner_steps=inner_steps,
        inner_learning_rate=workload.inner_learning_rate,
        fast_weights=workload.fast,
        **options,
    )
    learner.compile(
        keras.optimizers.SGD(workload.meta_learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile,
    )
    return learner


class Ours:
    """Exact MAML with any options of `MAML`; devices may share its tasks."""

    def __init__(
        self,
        workload: workloads.Workload,
        inner_steps: int,
        *,
        strategy: str = "none",
        **options: Any,
    ) -> None:
        with scope_of(strategy, workload.tasks):
            self.learner = create_learner(workload, inner_steps, **options)
        batches = tf.nest.map_structure(tf.constant, workloads.make_batches(workload))
        self.batches = itertools.cycle(batches)
        devices = self.learner.distribute_strategy
        self.devices: int = devices.num_replicas_in_sync
        if self.devices > 1:
            x, y = batches[0]
            self.learner.test_on_batch(x, y)  # builds it
            tasks = tf.data.Dataset.from_generator(
                lambda: self.batches,
                output_signature=tf.nest.map_structure(
                    tf.TensorSpec.from_tensor, (x, y)
                ),
            ).unbatch()
            self.shares = iter(
                devices.experimental_distribute_dataset(tasks.batch(workload.tasks))
            )
            self.learner.make_train_function()

    def step(self) -> float:
        self.learner.reset_metrics()
        if self.devices > 1:
            step: Any = self.learner.train_function
            return float(step(self.shares)["loss"])
        x, y = next(self.batches)
        return float(self.learner.train_on_batch(x, y, return_dict=True)["loss"])

    def weights(self) -> workloads.Arrays:
        variables = self.learner.trainable_variables
        return {v.path: keras.ops.convert_to_numpy(v) for v in variables}
