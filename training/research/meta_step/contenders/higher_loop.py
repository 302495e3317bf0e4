"""PyTorch with `higher` (Grefenstette et al. 2019, arXiv 1910.01727)."""

import higher
import torch
from torch.nn.functional import cross_entropy

from training.research.meta_step.contenders.torch_models import TorchContender


class HigherLoop(TorchContender):
    """`higher.innerloop_ctx` with a differentiable SGD over the fast weights."""

    def task_loss(self, index: int) -> torch.Tensor:
        support, targets, query, query_targets = self.task(index)
        model, prefix, support, query = self.adapted_part(support, query)
        fast = [p for n, p in model.named_parameters() if self.is_fast(prefix + n)]
        optimizer = torch.optim.SGD(fast, self.rate)
        context = higher.innerloop_ctx(model, optimizer, copy_initial_weights=False)
        with context as (functional, differentiable):
            for _ in range(self.inner_steps):
                differentiable.step(cross_entropy(functional(support), targets))
            return cross_entropy(functional(query), query_targets)
