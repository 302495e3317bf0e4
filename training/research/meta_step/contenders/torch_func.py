"""PyTorch, all tasks at once: `torch.func.vmap` over `torch.func.grad`."""

from typing import Any

import torch
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from training.research.meta_step.contenders.torch_models import Norm, TorchContender
from training.research.meta_step.workloads import Workload

Weights = dict[str, torch.Tensor]


class TorchFunc(TorchContender):
    """One vectorised function from the weights to the query losses of all tasks."""

    def __init__(self, workload: Workload, inner_steps: int) -> None:
        super().__init__(workload, inner_steps)
        for module in self.model.modules():
            if isinstance(module, Norm):
                module.composed = True

    def adapted_loss(
        self,
        shared: Weights,
        fast: Weights,
        support: Any,
        targets: torch.Tensor,
        query: Any,
        query_targets: torch.Tensor,
    ) -> torch.Tensor:
        """The query loss of one task after the inner steps."""

        def loss(fast: Weights, inputs: Any, targets: torch.Tensor) -> torch.Tensor:
            outputs = functional_call(model, {**shared, **fast}, inputs)
            return cross_entropy(outputs, targets)

        model: torch.nn.Module = self.model
        if self.head_only:
            # `functional_call` calls `forward`, so the encoder is the model without
            # its head.
            support, query = self.encode(shared, support), self.encode(shared, query)
            model = self.model.head
            fast = {name.removeprefix("head."): value for name, value in fast.items()}
            shared = {}
        for _ in range(self.inner_steps):
            gradients = grad(loss)(fast, support, targets)
            fast = {n: w - self.rate * gradients[n] for n, w in fast.items()}
        return loss(fast, query, query_targets)

    def encode(self, shared: Weights, inputs: Any) -> torch.Tensor:
        """Features under the weights given."""
        return functional_call(_Encoder(self.model), _prefixed(shared), inputs)

    def step(self) -> float:
        self.optimizer.zero_grad()
        parameters = dict(self.model.named_parameters())
        fast = {n: p for n, p in parameters.items() if self.is_fast(n)}
        shared = {n: p for n, p in parameters.items() if not self.is_fast(n)}
        losses = vmap(self.adapted_loss, in_dims=(None, None, 0, 0, 0, 0))(
            shared, fast, *self.support, *self.query
        )
        loss = losses.mean()
        loss.backward()
        self.optimizer.step()
        self.next_batch()
        return loss.item()


class _Encoder(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Any) -> torch.Tensor:
        return self.model.encode(inputs)


def _prefixed(weights: Weights) -> Weights:
    return {f"model.{name}": value for name, value in weights.items()}
