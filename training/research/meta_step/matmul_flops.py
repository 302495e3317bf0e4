"""How many operations the matrix products of a meta-step need, and this machine's rate.

The count is of the model and not of an implementation: every product in one forward
pass of the base learner is found in its graph, and what it costs the exact meta-step
follows from which of its operands depend on what is learned. For a product `A B`:

- an inner step takes 1 product forward and 1 more for each operand with an inner
  gradient;
- its derivative (one Hessian-vector product, forward over reverse) takes 1 for each
  operand with a tangent, and for the new gradient of each operand that has one, 1 for
  the tangent of the incoming gradient and 1 for that of the other operand;
- the query pass takes 1, and 1 for each operand with a meta-gradient.

So a product of two operands that both depend on fast weights counts 9 times an inner
step, and one with a frozen kernel 4 times. Elementwise work counts as nothing.
"""

import functools
import math
import time
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from training.research.meta_step import workloads
from training.research.meta_step.contenders.ours import create_base_learner

_PRODUCTS = ("MatMul", "BatchMatMulV2", "Einsum")


def meta_step_flops(workload: workloads.Workload, inner_steps: int) -> float:
    """Floating-point operations of the matrix products of one exact meta-step.

    Args:
        workload: sizes and which weights are fast.
        inner_steps: K.

    Returns:
        A multiplication and an addition count as two operations.
    """
    x, _ = workloads.make_episodes(workload)
    model = create_base_learner(workload)
    once, each_step, query = 0.0, 0.0, 0.0
    for flops, inner, outer in _products(workload, model, x["support_inputs"]):
        if not any(inner):
            # Not touched by the inner loop: encoded once, and differentiated once.
            once += flops * (1 + sum(outer))
            continue
        # What only shared weights reach has a meta-gradient through the inner gradient.
        shared = sum(o and not i for o, i in zip(outer, inner, strict=True))
        factor = 1 + 3 * sum(inner) + 2 * all(inner) + 2 * shared
        each_step += flops * factor
    for flops, _, outer in _products(workload, model, x["query_inputs"]):
        query += flops * (1 + sum(outer))
    return workload.tasks * (once + inner_steps * each_step + query)


def _products(
    workload: workloads.Workload, model: keras.Model, inputs: Any
) -> Iterator[tuple[float, list[bool], list[bool]]]:
    """Operations of every product of a forward pass, and which operands are learned."""
    one_task = tf.nest.map_structure(
        lambda a: tf.TensorSpec.from_tensor(tf.convert_to_tensor(a[0])), inputs
    )
    function = tf.function(lambda x: model(x)).get_concrete_function(one_task)
    paths = {id(v.value.handle): v.path for v in model.variables}
    fast, learned = set(), set()
    for outside, inside in function.graph.captures:
        path = paths.get(id(outside))
        if path is None or not workloads.is_meta_learned(workload, path):
            continue
        learned.add(inside.op.name)
        if workloads.is_fast(workload, path):
            fast.add(inside.op.name)
    for op in function.graph.get_operations():
        sources = [tensor.op.name for tensor in op.inputs]
        for reached in (fast, learned):
            if any(name in reached for name in sources):
                reached.add(op.name)
        if op.type in _PRODUCTS and len(sources) == 2:
            yield (
                _flops(op),
                [name in fast for name in sources],
                [name in learned for name in sources],
            )


def _flops(op: tf.Operation) -> float:
    left, right = (tensor.shape.as_list() for tensor in op.inputs)
    outputs = op.outputs[0].shape.as_list()
    if op.type == "Einsum":
        operands, result = op.get_attr("equation").decode().split("->")
        sizes = dict(zip(operands.replace(",", ""), left + right, strict=True))
        return 2.0 * math.prod(sizes.values()) if set(result) <= set(sizes) else 0.0
    transposed = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
    return 2.0 * math.prod(outputs) * left[-2 if transposed else -1]


class MachineRate:
    """The best rate of large float32 matrix products seen so far.

    Example:

    >>> rate = MachineRate(size=64)
    >>> rate.measure()
    >>> rate.flops_per_second > 0
    True
    """

    def __init__(self, size: int = 1536) -> None:
        self.flops_per_second = 0.0
        self._matrix = tf.random.normal((size, size), seed=0)
        self._product = functools.partial(tf.matmul, self._matrix, self._matrix)
        self._product()

    def measure(self) -> None:
        """Takes the best of three products."""
        for _ in range(3):
            start = time.perf_counter()
            self._product().numpy()
            seconds = time.perf_counter() - start
            rate = 2.0 * self._matrix.shape[0] ** 3 / seconds
            self.flops_per_second = max(self.flops_per_second, rate)
