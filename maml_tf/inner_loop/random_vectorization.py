"""Random numbers that differ between the tasks of a `tf.vectorized_map`.

TensorFlow has no converter for the stateless random operations that dropout uses, so a
seed of its own for each task would make `tf.vectorized_map` refuse the whole model. The
draws of a few tasks one after another cost little beside the model they feed.
"""

import tensorflow as tf

# The registry of converters has no public name; the tests of dropout guard this import.
from tensorflow.python.ops.parallel_for import pfor


def _draw_task_by_task(pfor_input):
    tasks = tf.get_static_value(pfor_input.pfor.loop_len_vector)
    if tasks is None:
        raise ValueError("Dropout over tasks needs a task axis of known size.")
    operation = pfor_input.op
    draw = getattr(tf.raw_ops, operation.type)
    results = []
    for task in range(int(tasks[0])):
        inputs = []
        for place in range(pfor_input.num_inputs):
            value, stacked, _ = pfor_input.input(place)
            inputs.append(value[task] if stacked else value)
        names = [argument.name for argument in operation.op_def.input_arg]
        keywords = dict(zip(names, inputs, strict=True))
        # Input types follow from the inputs; only the output type must be said.
        if "dtype" in operation.node_def.attr:
            keywords["dtype"] = operation.get_attr("dtype")
        results.append(tf.nest.flatten(draw(**keywords)))
    return [pfor.wrap(tf.stack(values), True) for values in zip(*results, strict=True)]


def register() -> None:
    """Teaches `tf.vectorized_map` the missing operations, once a process."""
    for name in ("StatelessRandomGetKeyCounter", "StatelessRandomUniformV2"):
        if name not in pfor._pfor_converter_registry:
            pfor.RegisterPFor(name)(_draw_task_by_task)


register()
