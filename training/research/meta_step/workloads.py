"""What is measured: sizes, starting weights and episodes, the same for everybody.

Weights and episodes come from NumPy and a fixed seed, so every contender makes them
for itself in its own process. Weights are named by the paths of our Keras models and
have Keras' shapes; a peer reshapes them as its framework likes.
"""

import dataclasses
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
# Contenders take batches in turn: a step compiled for one batch alone would show.
BATCHES = 2


@dataclasses.dataclass(frozen=True)
class Workload:
    """One problem to meta-train on.

    Attributes:
        name: what `--workloads` calls it.
        title: what it is, in words.
        architecture: "bert" or "conv_net".
        fast: which weights are fast, as `MAML(fast_weights=…)` names them.
        inner_steps: the numbers of inner steps it is measured at.
        tasks, ways, shots: the shape of a batch of episodes.
        queries: query examples of a task, of all classes together.
        length: tokens of a text, or the side of an image.
        width: hidden size of the transformer, or filters of a convolution.
        meta_learning_rate: of the plain gradient descent that ends a meta-step.
    """

    name: str
    title: str
    architecture: str
    fast: str
    inner_steps: tuple[int, ...]
    tasks: int
    ways: int
    shots: int
    queries: int
    length: int
    width: int
    layers: int
    heads: int = 2
    vocabulary: int = 30522
    lora_rank: int | None = None
    inner_learning_rate: float = 0.05
    meta_learning_rate: float = 0.02

    @property
    def support(self) -> int:
        """Support examples of a task."""
        return self.ways * self.shots


_BERT = Workload(
    name="W1",
    title="BERT 2 x 128, 5-way 5-shot, 10 queries, length 32, 4 tasks, all weights "
    "but the embeddings fast",
    architecture="bert",
    fast="all_but_embeddings",
    inner_steps=(5,),
    tasks=4,
    ways=5,
    shots=5,
    queries=10,
    length=32,
    width=128,
    layers=2,
)
_MINILM = dataclasses.replace(
    _BERT,
    name="W3",
    title="MiniLM-L6 sizes (6 x 384), LoRA factors of rank 8 fast, 5-way 1-shot, 10 "
    "queries, length 24, 4 tasks",
    fast="lora",
    shots=1,
    length=24,
    width=384,
    layers=6,
    heads=12,
    lora_rank=8,
    # At 0.02 the loss jumps up, and rounding with it: no work looks equal any more.
    meta_learning_rate=0.002,
)
WORKLOADS = {
    workload.name: workload
    for workload in (
        _BERT,
        dataclasses.replace(
            _BERT,
            name="W2",
            title="W1 at 1, 10, 20 and 50 inner steps",
            inner_steps=(1, 10, 20, 50),
            # As far as W1 goes in five: ten steps at W1's rate are chaotic, so that
            # rounding decides the losses, and fifty run away.
            inner_learning_rate=0.005,
            meta_learning_rate=0.002,
        ),
        _MINILM,
        Workload(
            name="W4",
            title="Omniglot conv net (4 x 64 filters), 5-way 1-shot, 5 queries, 32 "
            "tasks, all weights fast",
            architecture="conv_net",
            fast="all",
            inner_steps=(5,),
            tasks=32,
            ways=5,
            shots=1,
            queries=5,
            length=28,
            width=64,
            layers=4,
        ),
        dataclasses.replace(
            _MINILM,
            name="W5",
            title="ANIL on MiniLM-L6 sizes (6 x 384): the head fast, all weights "
            "meta-learned, 5-way 5-shot, 10 queries, length 24, 4 tasks",
            fast="head",
            shots=5,
            lora_rank=None,
            meta_learning_rate=0.02,
        ),
    )
}


def toy(workload: Workload) -> Workload:
    """The same workload at sizes that take seconds."""
    return dataclasses.replace(
        workload,
        inner_steps=(1, 2) if len(workload.inner_steps) > 1 else (2,),
        tasks=2,
        ways=2,
        shots=2,
        queries=4,
        length=7 if workload.architecture == "conv_net" else 6,
        width=8,
        layers=1,
        heads=2,
        vocabulary=20,
        lora_rank=workload.lora_rank and 2,
        meta_learning_rate=0.02,
    )


def find(name: str, toy_sizes: bool = False) -> Workload:
    """The workload of that name, at full or at toy sizes."""
    return toy(WORKLOADS[name]) if toy_sizes else WORKLOADS[name]


def make_weights(workload: Workload, seed: int = 0) -> Arrays:
    """The starting weights by the path of the Keras variable they belong to."""
    rng = np.random.default_rng(seed)
    weights = {}
    for path, shape in _shapes(workload).items():
        kind = path.rsplit("/", 1)[-1]
        # LoRA's second factor would start at zero, where the first has no gradient.
        fan_in = np.prod(shape[:-1]) if kind.startswith(("kernel", "lora")) else 1
        scale = {"gamma": 0.02, "beta": 0.02, "bias": 0.02, "embeddings": 0.05}
        values = rng.normal(size=shape) * scale.get(kind, 1 / np.sqrt(fan_in))
        weights[path] = (values + (kind == "gamma")).astype("float32")
    return weights


def _shapes(workload: Workload) -> dict[str, tuple[int, ...]]:
    width = workload.width
    shapes: dict[str, tuple[int, ...]] = {}
    if workload.architecture == "conv_net":
        for index in range(workload.layers):
            channels = width if index else 1
            shapes[f"convolution_{index}/kernel"] = (3, 3, channels, width)
            shapes[f"convolution_{index}/bias"] = (width,)
            shapes[f"normalization_{index}/gamma"] = (width,)
            shapes[f"normalization_{index}/beta"] = (width,)
    else:
        shapes |= _bert_shapes(workload)
    shapes["head/kernel"] = (width, workload.ways)
    shapes["head/bias"] = (workload.ways,)
    return shapes


def _bert_shapes(workload: Workload) -> dict[str, tuple[int, ...]]:
    width, heads, rank = workload.width, workload.heads, workload.lora_rank
    each = width // heads
    shapes: dict[str, tuple[int, ...]] = {
        "token_embedding/embeddings": (workload.vocabulary, width),
        "position_embedding/embeddings": (workload.length, width),
        "segment_embedding/embeddings": (2, width),
        "embeddings_layer_norm/gamma": (width,),
        "embeddings_layer_norm/beta": (width,),
    }
    for index in range(workload.layers):
        layer = f"transformer_layer_{index}"
        attention = f"{layer}/self_attention_layer"
        dense = {
            f"{attention}/query": ((width,), (heads, each)),
            f"{attention}/key": ((width,), (heads, each)),
            f"{attention}/value": ((width,), (heads, each)),
            f"{attention}/attention_output": ((heads, each), (width,)),
            f"{layer}/feedforward_intermediate_dense": ((width,), (4 * width,)),
            f"{layer}/feedforward_output_dense": ((4 * width,), (width,)),
        }
        for path, (inputs, outputs) in dense.items():
            shapes[f"{path}/kernel"] = inputs + outputs
            shapes[f"{path}/bias"] = outputs
            if rank:
                shapes[f"{path}/lora_kernel_a"] = (*inputs, rank)
                shapes[f"{path}/lora_kernel_b"] = (rank, *outputs)
        for norm in (f"{attention}_norm", f"{layer}/feedforward_layer_norm"):
            shapes[f"{norm}/gamma"] = (width,)
            shapes[f"{norm}/beta"] = (width,)
    return shapes


def is_fast(workload: Workload, path: str) -> bool:
    """Whether the inner loop changes the weight."""
    return {
        "all": True,
        "all_but_embeddings": "embedding" not in path,
        "lora": "lora" in path,
        "head": path.startswith("head/"),
    }[workload.fast]


def is_meta_learned(workload: Workload, path: str) -> bool:
    """Whether the weight gets a meta-gradient; LoRA freezes all but itself and head."""
    return workload.fast != "lora" or "lora" in path or path.startswith("head/")


def make_batches(workload: Workload) -> list[tuple[dict, np.ndarray]]:
    """The batches of tasks that every contender goes through again and again."""
    return [make_episodes(workload, seed=1 + index) for index in range(BATCHES)]


def make_episodes(workload: Workload, seed: int = 1) -> tuple[dict, np.ndarray]:
    """One batch of tasks, `x` and `y`, as `MetaLearner` takes them.

    Example:

    >>> x, y = make_episodes(toy(WORKLOADS["W4"]))
    >>> x["support_inputs"].shape, y.shape
    ((2, 4, 7, 7, 1), (2, 4))
    """
    rng = np.random.default_rng(seed)
    classes = np.arange(workload.ways)
    support = np.tile(np.repeat(classes, workload.shots), (workload.tasks, 1))
    query = np.tile(classes, (workload.tasks, -(-workload.queries // workload.ways)))
    query = query[:, : workload.queries]

    def inputs(examples: int) -> Any:
        shape = (workload.tasks, examples, workload.length)
        if workload.architecture == "conv_net":
            return rng.uniform(size=(*shape, workload.length, 1)).astype("float32")
        lengths = rng.integers(workload.length // 2, workload.length, shape[:2])
        mask = np.arange(workload.length) <= lengths[..., None]
        tokens = rng.integers(5, workload.vocabulary, shape)
        return {
            "token_ids": np.where(mask, tokens, 0).astype("int32"),
            "padding_mask": mask,
            "segment_ids": np.zeros(shape, "int32"),
        }

    x = {
        "support_inputs": inputs(workload.support),
        "support_targets": support.astype("int32"),
        "query_inputs": inputs(workload.queries),
    }
    return x, query.astype("int32")
