"""The workloads' base learners in PyTorch: our Keras models' maths, PyTorch's way.

Modules and parameters have the names of the Keras variables, with dots for slashes;
kernels are stored as `torch.nn.functional.linear` and `conv2d` want them.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.research.meta_step import workloads


class Dense(nn.Module):
    """A dense layer, plus the low-rank product of its LoRA factors if it has any."""

    def __init__(self, inputs: int, outputs: int, rank: int | None = None) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.has_factors = rank is not None
        if rank is not None:
            self.lora_kernel_a = nn.Parameter(torch.empty(rank, inputs))
            self.lora_kernel_b = nn.Parameter(torch.empty(outputs, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = functional.linear(x, self.kernel, self.bias)
        if self.has_factors:
            low = functional.linear(x, self.lora_kernel_a)
            outputs = outputs + functional.linear(low, self.lora_kernel_b)
        return outputs


class Norm(nn.Module):
    """What both normalisations share.

    Attributes:
        composed: written out of elementary operations. Inside `torch.func.grad` the
            fused kernels of PyTorch 2.13 give a second derivative that is wrong by
            0.3 to 0.5 % of the meta-gradient in both workloads where a norm is fast.
    """

    composed = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))
        self.beta = nn.Parameter(torch.empty(width))

    def normalize(
        self,
        x: torch.Tensor,
        axes: int | Sequence[int],
        shape: Sequence[int],
        epsilon: float,
    ) -> torch.Tensor:
        """Mean 0 and variance 1 over the axes, then scale and shift."""
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        normal = (x - mean) * torch.rsqrt(variance + epsilon)
        return normal * self.gamma.view(shape) + self.beta.view(shape)


class LayerNorm(Norm):
    """Layer normalisation with BERT's epsilon."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.composed:
            return self.normalize(x, -1, (-1,), 1e-12)
        return functional.layer_norm(x, x.shape[-1:], self.gamma, self.beta, 1e-12)


class Embedding(nn.Module):
    """A table of vectors."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.embeddings = nn.Parameter(torch.empty(rows, width))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return functional.embedding(ids, self.embeddings)


class Attention(nn.Module):
    """Multi-head self-attention; written out, since the fused one has no Hessian."""

    def __init__(self, width: int, heads: int, rank: int | None) -> None:
        super().__init__()
        self.heads = heads
        for name in ("query", "key", "value", "attention_output"):
            self.add_module(name, Dense(width, width, rank))

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        def split(y: torch.Tensor) -> torch.Tensor:
            return y.unflatten(-1, (self.heads, -1)).transpose(-3, -2)

        query, key, value = (
            split(layer(x)) for layer in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
        mixed = torch.softmax(scores + bias, -1) @ value
        return self.attention_output(mixed.transpose(-3, -2).flatten(-2))


class TransformerLayer(nn.Module):
    """A post-norm block."""

    def __init__(self, width: int, heads: int, rank: int | None) -> None:
        super().__init__()
        self.self_attention_layer = Attention(width, heads, rank)
        self.self_attention_layer_norm = LayerNorm(width)
        self.feedforward_intermediate_dense = Dense(width, 4 * width, rank)
        self.feedforward_output_dense = Dense(4 * width, width, rank)
        self.feedforward_layer_norm = LayerNorm(width)

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        x = self.self_attention_layer_norm(x + self.self_attention_layer(x, bias))
        hidden = self.feedforward_intermediate_dense(x)
        hidden = functional.gelu(hidden, approximate="tanh")
        return self.feedforward_layer_norm(x + self.feedforward_output_dense(hidden))


class Bert(nn.Module):
    """BERT, the mean of its token vectors, and a head."""

    def __init__(self, workload: workloads.Workload) -> None:
        super().__init__()
        width, rank = workload.width, workload.lora_rank
        self.token_embedding = Embedding(workload.vocabulary, width)
        self.position_embedding = Embedding(workload.length, width)
        self.segment_embedding = Embedding(2, width)
        self.embeddings_layer_norm = LayerNorm(width)
        self.layers = [f"transformer_layer_{i}" for i in range(workload.layers)]
        for name in self.layers:
            self.add_module(name, TransformerLayer(width, workload.heads, rank))
        self.head = Dense(width, workload.ways)

    def encode(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        x = self.token_embedding(inputs["token_ids"])
        x = x + self.position_embedding.embeddings
        x = x + self.segment_embedding(inputs["segment_ids"])
        x = self.embeddings_layer_norm(x)
        mask = inputs["padding_mask"].to(x.dtype)
        bias = (mask[..., None, None, :] - 1) * 1e9
        for name in self.layers:
            x = getattr(self, name)(x, bias)
        weights = mask[..., None]
        return (x * weights).sum(-2) / weights.sum(-2)

    def forward(self, inputs: Any) -> torch.Tensor:
        return self.head(self.encode(inputs))


class ConvBlock(nn.Module):
    """A 3x3 convolution of stride 2 that pads as Keras' "same" does."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(filters, channels, 3, 3))
        self.bias = nn.Parameter(torch.empty(filters))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-1] % 2:
            return functional.conv2d(x, self.kernel, self.bias, stride=2, padding=1)
        x = functional.pad(x, (0, 1, 0, 1))
        return functional.conv2d(x, self.kernel, self.bias, stride=2)


class BatchNorm(Norm):
    """Normalises by the current batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.composed:
            return self.normalize(x, (0, 2, 3), (1, -1, 1, 1), 1e-3)
        return functional.batch_norm(
            x, None, None, self.gamma, self.beta, training=True, eps=1e-3
        )


class ConvNet(nn.Module):
    """MAML's net for Omniglot."""

    def __init__(self, workload: workloads.Workload) -> None:
        super().__init__()
        self.blocks = range(workload.layers)
        for i in self.blocks:
            channels = workload.width if i else 1
            self.add_module(f"convolution_{i}", ConvBlock(channels, workload.width))
            self.add_module(f"normalization_{i}", BatchNorm(workload.width))
        self.head = Dense(workload.width, workload.ways)

    def encode(self, inputs: torch.Tensor) -> torch.Tensor:
        x = inputs.movedim(-1, -3)
        for i in self.blocks:
            x = getattr(self, f"convolution_{i}")(x)
            x = torch.relu(getattr(self, f"normalization_{i}")(x))
        return x.mean((-2, -1))

    def forward(self, inputs: Any) -> torch.Tensor:
        return self.head(self.encode(inputs))


def create(workload: workloads.Workload) -> "ConvNet | Bert":
    """The workload's base learner with the workload's starting weights."""
    is_conv = workload.architecture == "conv_net"
    model = ConvNet(workload) if is_conv else Bert(workload)
    weights = workloads.make_weights(workload)
    parameters = {n.replace(".", "/"): p for n, p in model.named_parameters()}
    if parameters.keys() != weights.keys():
        strange = sorted(parameters.keys() ^ weights.keys())
        raise ValueError(f"Model and workload do not share the weights {strange}.")
    with torch.no_grad():
        for path, parameter in parameters.items():
            value = torch.from_numpy(weights[path])
            parameter.copy_(to_torch(value, path, parameter.shape))
            parameter.requires_grad_(workloads.is_meta_learned(workload, path))
    return model


def to_torch(value: torch.Tensor, path: str, shape: torch.Size) -> torch.Tensor:
    """From Keras' shape to PyTorch's."""
    if "kernel" not in path:
        return value.reshape(shape)
    if path.startswith("convolution"):
        return value.permute(3, 2, 0, 1)
    return value.reshape(shape[1], shape[0]).T


def to_keras(model: nn.Module, workload: workloads.Workload) -> workloads.Arrays:
    """The meta-learned weights, named and shaped as in Keras."""
    result = {}
    shapes = {k: v.shape for k, v in workloads.make_weights(workload).items()}
    for name, parameter in model.named_parameters():
        path, value = name.replace(".", "/"), parameter.detach()
        if not parameter.requires_grad:
            continue
        if "kernel" in path:
            conv = path.startswith("convolution")
            value = value.permute(2, 3, 1, 0) if conv else value.T
        result[path] = value.numpy().reshape(shapes[path])
    return result


class TorchContender:
    """What the PyTorch contenders share: the model, the data, the outer update."""

    def __init__(self, workload: workloads.Workload, inner_steps: int) -> None:
        self.workload, self.inner_steps = workload, inner_steps
        self.model = create(workload)
        batches = workloads.make_batches(workload)
        self.batches = itertools.cycle(
            [as_tensors(x) | {"y": as_tensors(y)} for x, y in batches]
        )
        self.next_batch()
        self.rate = workload.inner_learning_rate
        learned = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(learned, workload.meta_learning_rate)
        # ANIL encodes once and adapts the head on the features, as learn2learn does.
        self.head_only = workload.fast == "head"

    def next_batch(self) -> None:
        """Goes on to the next batch of tasks."""
        batch = next(self.batches)
        self.support = batch["support_inputs"], batch["support_targets"]
        self.query = batch["query_inputs"], batch["y"]

    def is_fast(self, name: str) -> bool:
        return workloads.is_fast(self.workload, name.replace(".", "/"))

    def task(self, index: int) -> tuple[Any, torch.Tensor, Any, torch.Tensor]:
        """Support inputs and targets, query inputs and targets of one task."""
        return (*_take(self.support, index), *_take(self.query, index))

    def adapted_part(self, support: Any, query: Any) -> tuple[nn.Module, str, Any, Any]:
        """The module with the fast weights, the prefix of its names, and its inputs."""
        if not self.head_only:
            return self.model, "", support, query
        encode = self.model.encode
        return self.model.head, "head.", encode(support), encode(query)

    def task_loss(self, index: int) -> torch.Tensor:
        """The query loss of one task, with its graph."""
        raise NotImplementedError

    def step(self) -> float:
        self.optimizer.zero_grad()
        total = 0.0
        for index in range(self.workload.tasks):
            loss = self.task_loss(index) / self.workload.tasks
            # Task by task, so that one task's graph is held at a time.
            loss.backward()
            total += loss.item()
        self.optimizer.step()
        self.next_batch()
        return total

    def weights(self) -> workloads.Arrays:
        return to_keras(self.model, self.workload)


def as_tensors(value: Any) -> Any:
    """NumPy to tensors; whole numbers as PyTorch's losses want them."""
    if isinstance(value, dict):
        return {key: as_tensors(array) for key, array in value.items()}
    tensor = torch.from_numpy(np.ascontiguousarray(value))
    return tensor.long() if tensor.dtype == torch.int32 else tensor


def _take(pair: tuple[Any, torch.Tensor], index: int) -> tuple[Any, torch.Tensor]:
    inputs, targets = pair
    if isinstance(inputs, dict):
        return {k: v[index] for k, v in inputs.items()}, targets[index]
    return inputs[index], targets[index]
