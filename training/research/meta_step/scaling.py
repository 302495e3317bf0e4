"""How much faster a meta-step becomes when its tasks are shared among devices."""

from collections.abc import Callable
from typing import Any

from training.common.tables import markdown_table
from training.research.meta_step.timing import (
    LARGEST_DEVIATION,
    loss_deviations,
    measure,
)
from training.research.meta_step.workloads import find

_HEADER = [
    "workload",
    "K",
    "devices",
    "steps/s, one",
    "steps/s, all",
    "speed-up",
    "efficiency",
]


def measure_scaling(
    workloads: list[str],
    strategy: str,
    *,
    toy: bool,
    report: Callable[[str], None],
    **options: Any,
) -> str:
    """A Markdown table of the same meta-steps on one device and shared among several.

    Efficiency is the speed-up over the number of devices. Parts of one processor share
    its cores, which one part has to itself: there it is the speed-up alone.

    Args:
        workloads: their names.
        strategy: `mirrored`, for all GPUs, or `mirrored:N`, for N parts of the CPU.
        toy: whether to take toy sizes.
        report: gets a line on where the work is.
        options: further ones of `measure`.

    Raises:
        RuntimeError: if one of the two cannot run, or their losses are not the same.
    """
    rows = []
    shared = f"ours@{strategy}"
    for name in workloads:
        for inner_steps in find(name, toy).inner_steps:
            timings, missing = measure(
                name, inner_steps, ["ours", shared], toy=toy, report=report, **options
            )
            if missing:
                raise RuntimeError(f"{name}, K={inner_steps}: {missing}")
            one, all_ = timings["ours"], timings[shared]
            far = loss_deviations(timings)[shared]
            if not far < LARGEST_DEVIATION:
                raise RuntimeError(
                    f"{name}, K={inner_steps}: losses differ by {far:g}."
                )
            speed_up = all_["steps_per_second"] / one["steps_per_second"]
            count = all_["devices"]
            own_cores = ":" not in strategy
            rows.append(
                [
                    name,
                    inner_steps,
                    f"{count}" if own_cores else f"{count} parts of one CPU",
                    f"{one['steps_per_second']:.2f}",
                    f"{all_['steps_per_second']:.2f}",
                    f"{speed_up:.2f}",
                    f"{100 * speed_up / (count if own_cores else 1):.0f} %",
                ]
            )
    return markdown_table(_HEADER, rows)
