"""Everyone who is measured, by name.

A contender is built from a workload and a number of inner steps. `step()` does one
whole meta-step (K inner steps on every task, the exact meta-gradient of the mean query
loss with respect to all that is meta-learned, one step of gradient descent) and returns
the query loss from before it; `weights()` gives the meta-learned weights, named and
shaped as in `training.research.meta_step.workloads`, which is how equal work is proved.
"""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any, Protocol

from training.research.meta_step.workloads import Arrays, Workload


class Contender(Protocol):
    """What the worker runs."""

    def step(self) -> float: ...

    def weights(self) -> Arrays: ...


@dataclasses.dataclass(frozen=True)
class Entry:
    """Where a contender lives, and what it is in words."""

    title: str
    path: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    def load(self) -> Callable[..., Contender]:
        """The contender's class; imports its framework."""
        file, name = self.path.split(":")
        return getattr(importlib.import_module(f"{__name__}.{file}"), name)

    def build(self, workload: Workload, inner_steps: int) -> Contender:
        """The contender, ready for its first step."""
        return self.load()(workload, inner_steps, **self.options)


_XLA = {"jit_compile": True}
_LOOP = {"vectorized": False}
_RECURSIVE = {"meta_gradient": "exact_recursive"}
CONTENDERS = {
    "ours": Entry("maml_tf, graph mode", "ours:Ours"),
    "ours_xla": Entry("maml_tf, jit_compile=True", "ours:Ours", _XLA),
    "ours_recursive": Entry("maml_tf, recursion", "ours:Ours", _RECURSIVE),
    "ours_recursive_xla": Entry(
        "maml_tf, recursion, jit_compile=True", "ours:Ours", _RECURSIVE | _XLA
    ),
    "ours_loop": Entry(
        "maml_tf, graph mode, one task after the other", "ours:Ours", _LOOP
    ),
    "torch_loop": Entry(
        "PyTorch, a loop over tasks as in learn2learn", "torch_loop:TorchLoop"
    ),
    "torch_func": Entry("PyTorch, torch.func.vmap over tasks", "torch_func:TorchFunc"),
    "torchopt": Entry("PyTorch, TorchOpt's MetaSGD", "torchopt_loop:TorchOptLoop"),
    "higher": Entry("PyTorch, higher", "higher_loop:HigherLoop"),
    "jax": Entry("JAX, vmap over tasks, scan over steps, jit", "jax_vmap:JaxVmap"),
}


def find_contender(name: str) -> Entry:
    """A contender by its name; `ours@mirrored:2` shares its tasks among devices."""
    name, _, strategy = name.partition("@")
    entry = CONTENDERS[name]
    if not strategy:
        return entry
    options = {**entry.options, "strategy": strategy}
    return dataclasses.replace(
        entry, title=f"{entry.title}, {strategy}", options=options
    )


def is_ours(name: str) -> bool:
    """Whether the contender is this package."""
    return name.startswith("ours")
