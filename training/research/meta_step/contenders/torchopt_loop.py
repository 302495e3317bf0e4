"""PyTorch with TorchOpt's `MetaSGD` (Ren et al. 2023, arXiv 2211.06934)."""

from collections.abc import Callable

import torch
import torchopt
from torch.nn.functional import cross_entropy

from training.research.meta_step.contenders.torch_models import TorchContender
from training.research.meta_step.workloads import Workload


class TorchOptLoop(TorchContender):
    """`torchopt.MetaSGD` on the module that holds the fast weights."""

    def __init__(self, workload: Workload, inner_steps: int) -> None:
        super().__init__(workload, inner_steps)
        # MetaSGD updates all of a module, so the fast weights get one of their own: it
        # has the layers themselves as its children, without their parents.
        self.fast = _Fast(self.model, self.is_fast)

    def task_loss(self, index: int) -> torch.Tensor:
        support, targets, query, query_targets = self.task(index)
        model, _, support, query = self.adapted_part(support, query)
        inner = torchopt.MetaSGD(self.fast, lr=self.rate)
        start = torchopt.extract_state_dict(self.fast, by="reference")
        for _ in range(self.inner_steps):
            inner.step(cross_entropy(model(support), targets))
        loss = cross_entropy(model(query), query_targets)
        torchopt.recover_state_dict(self.fast, start)
        return loss


class _Fast(torch.nn.Module):
    def __init__(self, model: torch.nn.Module, is_fast: Callable[[str], bool]) -> None:
        super().__init__()
        for name, module in model.named_modules():
            own = [n for n, _ in module.named_parameters(name, recurse=False)]
            if not own or not any(map(is_fast, own)):
                continue
            if not all(map(is_fast, own)):
                raise NotImplementedError(
                    "MetaSGD updates whole modules, and here frozen and fast weights "
                    "share one."
                )
            self.add_module(name.replace(".", "_"), module)
