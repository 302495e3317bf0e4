"""The gradient of a slice under XLA, which `tf.vectorized_map` has no converter for.

Padding's second derivative is one: without the converter a base learner that pads, such
as the conv net, could not be differentiated twice inside a mapped and compiled step.
"""

import tensorflow as tf

# Neither the operation nor the registry of converters has a public name; the tests of
# the compiled conv net guard these imports.
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.ops.parallel_for import pfor

_OPERATION = "XlaDynamicUpdateSlice"


def _update_slices_of_all_tasks(pfor_input):
    pfor_input.stack_inputs([0, 1])
    target, update = pfor_input.stacked_input(0), pfor_input.stacked_input(1)
    begin = pfor_input.unstacked_input(2)
    begin = tf.concat([tf.zeros([1], begin.dtype), begin], 0)
    return pfor.wrap(gen_xla_ops.xla_dynamic_update_slice(target, update, begin), True)


def register() -> None:
    """Teaches `tf.vectorized_map` the missing operation, once a process."""
    if _OPERATION not in pfor._pfor_converter_registry:
        pfor.RegisterPFor(_OPERATION)(_update_slices_of_all_tasks)


register()
