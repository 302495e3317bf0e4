"""Operations that `tf.vectorized_map` has no converter for, and would refuse.

Dropout draws by stateless random operations, with a seed that differs between tasks.
Padding's second derivative under XLA is the gradient of a slice, which a base learner
that pads, such as the conv net, needs inside a mapped and compiled step.
"""

from typing import Any

import tensorflow as tf

# Neither the operation nor the registry of converters has a public name; the tests of
# dropout and of the compiled conv net guard these imports.
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.ops.parallel_for import pfor


def _draw_task_by_task(pfor_input: Any) -> Any:
    """Random numbers from a seed of each task's own, which dropout draws.

    The draws of a few tasks one after another cost little beside the model they feed.
    """
    operation = pfor_input.op
    draw = getattr(tf.raw_ops, operation.type)
    names = [argument.name for argument in operation.op_def.input_arg]
    given = [pfor_input.input(place) for place in range(pfor_input.num_inputs)]

    def task(own: Any) -> Any:
        own = iter(own)
        inputs = [next(own) if stacked else value for value, stacked, _ in given]
        keywords = dict(zip(names, inputs, strict=True))
        # Input types follow from the inputs; only the output type must be said.
        for attribute in ("dtype", "output_dtype"):
            if attribute in operation.node_def.attr:
                keywords[attribute] = operation.get_attr(attribute)
        return tf.nest.flatten(draw(**keywords))

    every = [value for value, stacked, _ in given if stacked]
    tasks = tf.get_static_value(pfor_input.pfor.loop_len_vector)
    if tasks is None:
        signature = [tf.TensorSpec(t.shape, t.dtype) for t in operation.outputs]
        results = tf.map_fn(task, every, fn_output_signature=signature)
        return [pfor.wrap(values, True) for values in results]
    results = [task([value[i] for value in every]) for i in range(int(tasks[0]))]
    return [pfor.wrap(tf.stack(values), True) for values in zip(*results, strict=True)]


def _update_slices_of_all_tasks(pfor_input: Any) -> Any:
    pfor_input.stack_inputs([0, 1])
    target, update = pfor_input.stacked_input(0), pfor_input.stacked_input(1)
    begin = pfor_input.unstacked_input(2)
    begin = tf.concat([tf.zeros([1], begin.dtype), begin], 0)
    return pfor.wrap(gen_xla_ops.xla_dynamic_update_slice(target, update, begin), True)


_RANDOM = (
    "StatelessRandomGetKeyCounter",
    "StatelessRandomUniformV2",
    "StatelessRandomUniformFullIntV2",
    "StatelessRandomUniformIntV2",
    "StatelessRandomNormalV2",
    "StatelessTruncatedNormalV2",
    "StatelessRandomGammaV3",
    "StatelessRandomBinomial",
    "StatelessRandomPoisson",
    "StatelessMultinomial",
    "StatelessShuffle",
)
_CONVERTERS = {
    **dict.fromkeys(_RANDOM, _draw_task_by_task),
    "XlaDynamicUpdateSlice": _update_slices_of_all_tasks,
}


def register() -> None:
    """Teaches `tf.vectorized_map` the missing operations, once a process."""
    for name, converter in _CONVERTERS.items():
        if name not in pfor._pfor_converter_registry:
            pfor.RegisterPFor(name)(converter)


register()
