"""PyTorch, task after task: `torch.autograd.grad(create_graph=True)` and new weights.

This is what `learn2learn.algorithms.MAML` does in `clone` and `adapt`, with
`torch.func.functional_call` in place of its copying of modules.
"""

import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from training.research.meta_step.contenders.torch_models import TorchContender


class TorchLoop(TorchContender):
    """Differentiates through a Python loop over inner steps."""

    def task_loss(self, index: int) -> torch.Tensor:
        support, targets, query, query_targets = self.task(index)
        model, prefix, support, query = self.adapted_part(support, query)
        fast = {
            name: parameter
            for name, parameter in model.named_parameters()
            if self.is_fast(prefix + name)
        }
        for _ in range(self.inner_steps):
            loss = cross_entropy(functional_call(model, fast, support), targets)
            gradients = torch.autograd.grad(loss, fast.values(), create_graph=True)
            fast = {
                name: weight - self.rate * gradient
                for (name, weight), gradient in zip(
                    fast.items(), gradients, strict=True
                )
            }
        return cross_entropy(functional_call(model, fast, query), query_targets)
