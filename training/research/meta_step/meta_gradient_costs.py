"""What each meta-gradient costs in memory, start-up and time, by inner steps.

    python -m training.meta_gradient_costs --inner_steps=1,5,20
    python -m training.meta_gradient_costs --meta_gradients=exact_recursive --graph_only

Every row is measured in a process of its own on workload W1 of docs/benchmark.md: the
resident size before the first meta-step and at its peak, the seconds of the first
meta-step (tracing, compiling and running), and the median of the seconds of the next.
Rows of the same sizes and rounds that are in the results file are kept, so an
interrupted run goes on.
"""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import flags

from training.common.flag_types import define_count, define_path
from training.common.result_rows import ResultRows
from training.common.run import digest_of
from training.common.running import run_script
from training.common.tables import markdown_table
from training.research.meta_step.worker import peak_memory_mb
from training.research.meta_step.workloads import Workload, find

FLAGS = flags.FLAGS
flags.DEFINE_list("inner_steps", ["1", "5", "20"], "Numbers of inner steps.")
flags.DEFINE_list(
    "meta_gradients",
    ["exact_recursive", "exact_unrolled", "first_order"],
    "Names that MAML's meta_gradient takes.",
)
flags.DEFINE_bool("graph_only", False, "Leave out jit_compile=True.")
define_count("rounds", 5, "Meta-steps behind the median.", least=1)
flags.DEFINE_bool("toy", False, "Toy sizes, to try the command.")
define_path("results", "results/meta_gradients.json", "Where the rows go.")
flags.DEFINE_string("row", None, "Measure one row in this process: NAME,STEPS,XLA.")


def measure(name: str, steps: int, jit_compile: bool) -> dict[str, object]:
    """One row, in this process."""
    from training.research.meta_step import workloads
    from training.research.meta_step.contenders.ours import Ours

    workload = workloads.find("W1", FLAGS.toy)
    ours = Ours(workload, steps, meta_gradient=name, jit_compile=jit_compile)
    before, started = peak_memory_mb(), time.perf_counter()
    ours.step()
    first = time.perf_counter() - started
    seconds = []
    for _ in range(FLAGS.rounds):
        started = time.perf_counter()
        ours.step()
        seconds.append(time.perf_counter() - started)
    fast = sum(v.value.numpy().nbytes for v in ours.learner.inner_loop.fast_variables)
    return {
        "meta_gradient": name,
        "inner_steps": steps,
        "xla": jit_compile,
        "before_mb": round(before),
        "peak_mb": round(peak_memory_mb()),
        "fast_weights_mb": round(workload.tasks * fast / 2**20, 2),
        "first_step_seconds": round(first, 1),
        "step_seconds": round(statistics.median(seconds), 3),
    }


@dataclass(frozen=True)
class CostSettings:
    """All that a row depends on, beside the machine."""

    meta_gradient: str
    inner_steps: int
    xla: bool
    rounds: int
    workload: Workload


def main(argv: list[str]) -> None:
    if FLAGS.row:
        name, steps, xla = FLAGS.row.split(",")
        print(json.dumps(measure(name, int(steps), xla == "True")))
        return
    path = Path(FLAGS.results)
    rows = ResultRows(path, place=("meta_gradient", "inner_steps", "xla"))
    for xla in (False,) if FLAGS.graph_only else (False, True):
        for name in FLAGS.meta_gradients:
            for steps in map(int, FLAGS.inner_steps):
                settings = CostSettings(
                    name, steps, xla, FLAGS.rounds, find("W1", FLAGS.toy)
                )
                digest = digest_of(settings, {})
                if rows.of(digest):
                    continue
                found = measure_apart(name, steps, xla)
                if found is None:
                    print(f"{name}, {steps} steps, xla={xla}: failed", file=sys.stderr)
                    continue
                rows.keep(digest, [found])
                print(json.dumps(found), flush=True)
    if every := rows.all():
        print(markdown_table(list(every[0]), [list(row.values()) for row in every]))


def measure_apart(name: str, steps: int, xla: bool) -> dict[str, Any] | None:
    """One row, in a process of its own; None if that fails."""
    command = [sys.executable, "-m", "training.meta_gradient_costs"]
    command += [f"--row={name},{steps},{xla}", f"--toy={FLAGS.toy}"]
    command.append(f"--rounds={FLAGS.rounds}")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


if __name__ == "__main__":
    run_script(main)
