"""JAX: `vmap` over tasks, `lax.scan` over inner steps, `jit` around the meta-step."""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from training.research.meta_step import workloads

Weights = dict[str, jax.Array]


def layer_norm(weights: Weights, name: str, x: jax.Array) -> jax.Array:
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    normal = (x - mean) * lax.rsqrt(variance + 1e-12)
    return normal * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def dense(weights: Weights, name: str, x: jax.Array) -> jax.Array:
    bias = weights[f"{name}/bias"].reshape(-1)
    outputs = x @ weights[f"{name}/kernel"].reshape(x.shape[-1], -1) + bias
    if f"{name}/lora_kernel_a" in weights:
        low = weights[f"{name}/lora_kernel_a"].reshape(x.shape[-1], -1)
        high = weights[f"{name}/lora_kernel_b"].reshape(low.shape[-1], -1)
        outputs = outputs + (x @ low) @ high
    return outputs


def transformer_layer(
    weights: Weights, name: str, heads: int, x: jax.Array, bias: jax.Array
) -> jax.Array:
    attention = f"{name}/self_attention_layer"

    def split(part: str) -> jax.Array:
        y = dense(weights, f"{attention}/{part}", x)
        return y.reshape(*y.shape[:-1], heads, -1)

    query, key, value = split("query"), split("key"), split("value")
    scores = jnp.einsum("btnh,bsnh->bnts", query, key) * query.shape[-1] ** -0.5
    mixed = jnp.einsum("bnts,bsnh->btnh", jax.nn.softmax(scores + bias), value)
    mixed = mixed.reshape(x.shape)
    x = x + dense(weights, f"{attention}/attention_output", mixed)
    x = layer_norm(weights, f"{attention}_norm", x)
    hidden = dense(weights, f"{name}/feedforward_intermediate_dense", x)
    hidden = jax.nn.gelu(hidden, approximate=True)
    x = x + dense(weights, f"{name}/feedforward_output_dense", hidden)
    return layer_norm(weights, f"{name}/feedforward_layer_norm", x)


def encode_text(
    workload: workloads.Workload, weights: Weights, inputs: dict[str, jax.Array]
) -> jax.Array:
    x = weights["token_embedding/embeddings"][inputs["token_ids"]]
    x = x + weights["position_embedding/embeddings"]
    x = x + weights["segment_embedding/embeddings"][inputs["segment_ids"]]
    x = layer_norm(weights, "embeddings_layer_norm", x)
    mask = inputs["padding_mask"].astype(x.dtype)
    bias = (mask[:, None, None, :] - 1) * 1e9
    for index in range(workload.layers):
        name = f"transformer_layer_{index}"
        x = transformer_layer(weights, name, workload.heads, x, bias)
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)


def encode_image(
    workload: workloads.Workload, weights: Weights, x: jax.Array
) -> jax.Array:
    for index in range(workload.layers):
        convolution, norm = f"convolution_{index}", f"normalization_{index}"
        x = lax.conv_general_dilated(
            x,
            weights[f"{convolution}/kernel"],
            (2, 2),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = x + weights[f"{convolution}/bias"]
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        x = (x - mean) * lax.rsqrt(variance + 1e-3) * weights[f"{norm}/gamma"]
        x = jax.nn.relu(x + weights[f"{norm}/beta"])
    return x.mean((1, 2))


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    chosen = jnp.take_along_axis(logits, targets[:, None], -1)[:, 0]
    return (jax.nn.logsumexp(logits, -1) - chosen).mean()


class JaxVmap:
    """Exact MAML in one compiled function."""

    def __init__(self, workload: workloads.Workload, inner_steps: int) -> None:
        self.workload, self.inner_steps = workload, inner_steps
        start = workloads.make_weights(workload)
        weights = {k: jnp.asarray(v) for k, v in start.items()}
        learned = {k for k in weights if workloads.is_meta_learned(workload, k)}
        self.learned = {k: weights[k] for k in learned}
        self.frozen = {k: v for k, v in weights.items() if k not in learned}
        batches = jax.tree.map(jnp.asarray, workloads.make_batches(workload))
        self.batches = itertools.cycle(batches)
        self.update = jax.jit(self._update, donate_argnums=0)

    def step(self) -> float:
        self.learned, loss = self.update(self.learned, self.frozen, *next(self.batches))
        return float(loss)

    def weights(self) -> workloads.Arrays:
        return {k: np.asarray(v) for k, v in self.learned.items()}

    def _update(
        self, learned: Weights, frozen: Weights, x: dict[str, Any], y: jax.Array
    ) -> tuple[Weights, jax.Array]:
        def mean_loss(learned: Weights) -> jax.Array:
            task = functools.partial(self._task_loss, {**frozen, **learned})
            return jax.vmap(task)(x, y).mean()

        loss, gradients = jax.value_and_grad(mean_loss)(learned)
        rate = self.workload.meta_learning_rate
        return jax.tree.map(lambda w, g: w - rate * g, learned, gradients), loss

    def _task_loss(
        self, weights: Weights, x: dict[str, Any], y: jax.Array
    ) -> jax.Array:
        is_image = self.workload.architecture == "conv_net"
        encode: Any = functools.partial(
            encode_image if is_image else encode_text, self.workload
        )
        shared = {k: v for k, v in weights.items() if not self._is_fast(k)}
        fast = {k: v for k, v in weights.items() if self._is_fast(k)}
        support, query = x["support_inputs"], x["query_inputs"]
        if self.workload.fast == "head":
            # ANIL encodes once, as learn2learn's example does.
            support, query = encode(shared, support), encode(shared, query)
            encode = _features_as_they_are

        def loss(fast: Weights, inputs: Any, targets: jax.Array) -> jax.Array:
            weights = {**shared, **fast}
            return cross_entropy(
                dense(weights, "head", encode(weights, inputs)), targets
            )

        def inner_step(fast: Weights, _: None) -> tuple[Weights, None]:
            gradients = jax.grad(loss)(fast, support, x["support_targets"])
            rate = self.workload.inner_learning_rate
            return jax.tree.map(lambda w, g: w - rate * g, fast, gradients), None

        fast, _ = lax.scan(inner_step, fast, length=self.inner_steps)
        return loss(fast, query, y)

    def _is_fast(self, path: str) -> bool:
        return workloads.is_fast(self.workload, path)


def _features_as_they_are(weights: Weights, features: jax.Array) -> jax.Array:
    return features
