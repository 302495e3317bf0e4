"""Convolutions whose filters differ from task to task, for `tf.vectorized_map`.

TensorFlow's own converters want filters that all tasks share. Here a convolution is
patches times a matrix, one batched matrix product for all tasks; so are its gradients
by inputs and by filters, which are what the tape of an inner step leaves to convert.
All three are made of slices, pads and products, whose derivatives have every order.
Where all tasks share their filters, TensorFlow's converters are kept: they are faster.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

# The registry of converters has no public name; the tests of mapped convolutions guard
# this import.
from tensorflow.python.ops.parallel_for import pfor

from maml_tf.inner_loop.sums import sum_in_pairs


class Window(NamedTuple):
    """Where a convolution looks, for each of its spatial axes.

    Attributes:
        size: sizes of the kernel.
        strides: steps between two places.
        dilations: steps between two entries of the kernel.
        pads: zeros before and behind.
        inputs: sizes of the inputs, without padding.
        outputs: sizes of the outputs.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def offsets(self) -> list[tuple[int, ...]]:
        """Where each entry of the kernel first falls, in the padded inputs."""
        found: list[tuple[int, ...]] = [()]
        for size, dilation in zip(self.size, self.dilations, strict=True):
            found = [(*o, i * dilation) for o in found for i in range(size)]
        return found

    def slices(self, offset: tuple[int, ...]) -> tuple[list[int], list[int], list[int]]:
        """Begin, end and strides of all the places where one kernel entry falls."""
        ends = [
            start + (count - 1) * stride + 1
            for start, count, stride in zip(
                offset, self.outputs, self.strides, strict=True
            )
        ]
        return list(offset), ends, list(self.strides)

    def padded(self) -> list[int]:
        """Sizes of the padded inputs."""
        return [n + a + b for n, (a, b) in zip(self.inputs, self.pads, strict=True)]


def make_window(
    inputs: Sequence[int | None],
    size: Sequence[int | None],
    *,
    strides: Sequence[int],
    dilations: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
) -> Window:
    """The window of a convolution as TensorFlow describes it.

    Args:
        inputs: spatial sizes of the inputs.
        size: spatial sizes of the kernel.
        strides, dilations: for each spatial axis.
        padding: "SAME", "VALID", or the zeros before and behind each axis.

    Raises:
        ValueError: if a size is not known.

    Example:

    >>> make_window([5], [3], strides=[2], dilations=[1], padding="SAME").pads
    ((1, 1),)
    """
    known = [n for n in inputs if n is not None]
    kernel = [k for k in size if k is not None]
    if len(known) < len(inputs) or len(kernel) < len(size):
        raise ValueError("A convolution over tasks needs known spatial sizes.")
    pads, outputs = [], []
    axes = zip(known, kernel, strides, dilations, strict=True)
    for axis, (n, k, stride, dilation) in enumerate(axes):
        span = (k - 1) * dilation + 1
        if padding == "SAME":
            # As TensorFlow pads: the odd one goes behind.
            needed = max((-(-n // stride) - 1) * stride + span - n, 0)
            before, behind = needed // 2, needed - needed // 2
        else:
            before, behind = (0, 0) if isinstance(padding, str) else padding[axis]
        pads.append((before, behind))
        outputs.append((n + before + behind - span) // stride + 1)
    return Window(
        tuple(kernel),
        tuple(strides),
        tuple(dilations),
        tuple(pads),
        tuple(known),
        tuple(outputs),
    )


def convolve(inputs: tf.Tensor, filters: tf.Tensor, window: Window) -> tf.Tensor:
    """A convolution for each task.

    Args:
        inputs: `[tasks, batch, *window.inputs, groups * depth]`.
        filters: `[tasks, *window.size, depth, groups, outputs]`.
        window: where it looks.

    Returns:
        `[tasks, batch, *window.outputs, groups * outputs]`.
    """
    tasks, batch = _sizes(inputs)[:2]
    depth, groups, outputs = filters.shape[-3:]
    patches = _patches(inputs, window, groups)
    kernel = tf.reshape(filters, [tasks, -1, depth, groups, outputs])
    if groups == 1:
        flat = tf.reshape(patches, [tasks, -1, kernel.shape[1] * depth])
        found = flat @ tf.reshape(kernel, [tasks, -1, outputs])
    else:
        found = tf.einsum("tnkgc,tkcgo->tngo", patches, kernel)
    return tf.reshape(found, [tasks, batch, *window.outputs, groups * outputs])


def gradient_by_inputs(
    upstream: tf.Tensor, filters: tf.Tensor, window: Window
) -> tf.Tensor:
    """The gradient of `convolve` by its inputs; shapes are as there."""
    tasks, batch = _sizes(upstream)[:2]
    depth, groups, outputs = filters.shape[-3:]
    kernel = tf.reshape(filters, [tasks, -1, depth, groups, outputs])
    if groups == 1:
        flat = tf.reshape(upstream, [tasks, -1, outputs])
        matrix = tf.reshape(kernel, [tasks, -1, outputs])
        patches = tf.matmul(flat, matrix, transpose_b=True)
    else:
        flat = tf.reshape(upstream, [tasks, -1, groups, outputs])
        patches = tf.einsum("tngo,tkcgo->tnkgc", flat, kernel)
    places = window.offsets()
    shape = [tasks, batch, *window.outputs, len(places), groups * depth]
    patches = tf.reshape(patches, shape)
    whole = tf.stack([tasks, batch, *window.padded(), groups * depth])
    pieces = []
    for place, offset in enumerate(places):
        begin, end, strides = window.slices(offset)
        pieces.append(
            tf.raw_ops.StridedSliceGrad(
                shape=whole,
                begin=[0, 0, *begin, 0],
                end=tf.stack([tasks, batch, *end, groups * depth]),
                strides=[1, 1, *strides, 1],
                dy=patches[..., place, :],
            )
        )
    total = sum_in_pairs(pieces)
    inner = [
        slice(before, before + n)
        for n, (before, _) in zip(window.inputs, window.pads, strict=True)
    ]
    return total[(slice(None), slice(None), *inner)]


def gradient_by_filters(
    inputs: tf.Tensor, upstream: tf.Tensor, window: Window, groups: int
) -> tf.Tensor:
    """The gradient of `convolve` by its filters; shapes are as there."""
    tasks = _sizes(inputs)[0]
    depth, outputs = inputs.shape[-1] // groups, upstream.shape[-1] // groups
    patches = _patches(inputs, window, groups)
    if groups == 1:
        flat = tf.reshape(patches, [tasks, -1, len(window.offsets()) * depth])
        found = tf.matmul(
            flat, tf.reshape(upstream, [tasks, -1, outputs]), transpose_a=True
        )
    else:
        flat = tf.reshape(upstream, [tasks, -1, groups, outputs])
        found = tf.einsum("tnkgc,tngo->tkcgo", patches, flat)
    return tf.reshape(found, [tasks, *window.size, depth, groups, outputs])


def _patches(inputs: tf.Tensor, window: Window, groups: int) -> tf.Tensor:
    """What kernel entries meet, `[tasks, places, entries, groups, depth]`."""
    tasks = _sizes(inputs)[0]
    padded = tf.pad(inputs, [(0, 0), (0, 0), *window.pads, (0, 0)])
    pieces = []
    for offset in window.offsets():
        begin, end, strides = window.slices(offset)
        inner = [slice(*part) for part in zip(begin, end, strides, strict=True)]
        pieces.append(padded[(slice(None), slice(None), *inner)])
    stacked = tf.stack(pieces, axis=-2)
    depth = inputs.shape[-1] // groups
    return tf.reshape(stacked, [tasks, -1, len(pieces), groups, depth])


def _sizes(tensor: tf.Tensor) -> list[Any]:
    """The sizes of all axes, as integers where they are known."""
    dynamic = tf.shape(tensor)
    return [dynamic[i] if n is None else n for i, n in enumerate(tensor.shape)]


class _Described(NamedTuple):
    """A convolution's attributes, spatial axes alone, and how to turn the channels."""

    strides: list[int]
    dilations: list[int]
    padding: str | list[tuple[int, int]]
    channels_first: bool

    def window(self, inputs: tf.TensorShape, size: tf.TensorShape) -> Window:
        """Shapes are those of one task's inputs and filters."""
        spatial = inputs[2:] if self.channels_first else inputs[1:-1]
        return make_window(
            spatial.as_list(),
            size[:-2].as_list(),
            strides=self.strides,
            dilations=self.dilations,
            padding=self.padding,
        )

    def channels_last(self, tensor: tf.Tensor) -> tf.Tensor:
        if not self.channels_first:
            return tensor
        rank = tensor.shape.rank
        return tf.transpose(tensor, [0, 1, *range(3, rank), 2])

    def as_given(self, tensor: tf.Tensor) -> tf.Tensor:
        if not self.channels_first:
            return tensor
        rank = tensor.shape.rank
        return tf.transpose(tensor, [0, 1, rank - 1, *range(2, rank - 1)])


def _described(operation: tf.Operation) -> _Described:
    first = operation.get_attr("data_format").decode().startswith("NC")
    inner = slice(2, None) if first else slice(1, -1)
    padding = operation.get_attr("padding").decode()
    if padding == "EXPLICIT":
        flat = operation.get_attr("explicit_paddings")
        padding = list(zip(flat[::2], flat[1::2], strict=True))[inner]
    return _Described(
        list(operation.get_attr("strides"))[inner],
        list(operation.get_attr("dilations"))[inner],
        padding,
        first,
    )


def _grouped(filters: tf.Tensor, channels: int, depthwise: bool) -> tf.Tensor:
    """Filters `[tasks, *size, depth, outputs]` as `convolve` takes them."""
    *leading, depth, outputs = _sizes(filters)
    if depthwise:
        return tf.reshape(filters, [*leading, 1, depth, outputs])
    groups = channels // depth
    return tf.reshape(filters, [*leading, depth, groups, outputs // groups])


def _converter(
    kind: str,
    depthwise: bool,
    numbers: tuple[int, int],
    differing: tuple[int, ...],
    own: Any,
) -> Any:
    """A converter for one operation.

    Args:
        kind: "forward", "inputs" or "filters": which of the three it computes.
        depthwise: whether each channel has filters of its own.
        numbers: the two inputs of the operation that are tensors of numbers.
        differing: those of its inputs that `own` wants one of to be the same for all
            tasks: the filters, or for their gradient both factors.
        own: TensorFlow's converter, for tasks that share what it can share, or None.
    """

    def convert(pfor_input: Any) -> Any:
        if own is not None and not all(pfor_input.input(i)[1] for i in differing):
            return own(pfor_input)
        pfor_input.stack_inputs(list(numbers))
        first, second = (pfor_input.stacked_input(i) for i in numbers)
        operation = pfor_input.op
        how = _described(operation)
        if kind == "forward":
            window = how.window(operation.inputs[0].shape, operation.inputs[1].shape)
            inputs = how.channels_last(first)
            filters = _grouped(second, inputs.shape[-1], depthwise)
            found = convolve(inputs, filters, window)
        elif kind == "inputs":
            shape = operation.outputs[0].shape
            window = how.window(shape, operation.inputs[1].shape)
            channels = shape[1] if how.channels_first else shape[-1]
            filters = _grouped(first, channels, depthwise)
            found = gradient_by_inputs(how.channels_last(second), filters, window)
        else:
            shape = operation.outputs[0].shape
            window = how.window(operation.inputs[0].shape, shape)
            inputs = how.channels_last(first)
            groups = inputs.shape[-1] // (1 if depthwise else shape[-2])
            found = gradient_by_filters(
                inputs, how.channels_last(second), window, groups
            )
            found = tf.reshape(found, [_sizes(found)[0], *shape])
            return pfor.wrap(found, True)
        return pfor.wrap(how.as_given(found), True)

    return convert


_FORWARD = ("forward", (0, 1), (1,))
_INPUTS = ("inputs", (1, 2), (1,))
_FILTERS = ("filters", (0, 2), (0, 2))
_OPERATIONS = {
    "Conv2D": (_FORWARD, False),
    "Conv2DBackpropInput": (_INPUTS, False),
    "Conv2DBackpropFilter": (_FILTERS, False),
    "Conv3D": (_FORWARD, False),
    "Conv3DBackpropInputV2": (_INPUTS, False),
    "Conv3DBackpropFilterV2": (_FILTERS, False),
    "DepthwiseConv2dNative": (_FORWARD, True),
    "DepthwiseConv2dNativeBackpropInput": (_INPUTS, True),
    "DepthwiseConv2dNativeBackpropFilter": (_FILTERS, True),
}


def register() -> None:
    """Teaches `tf.vectorized_map` filters of each task's own, once a process."""
    registry = pfor._pfor_converter_registry
    for name, ((kind, numbers, differing), depthwise) in _OPERATIONS.items():
        own = registry.get(name)
        registry[name] = _converter(kind, depthwise, numbers, differing, own)


register()
