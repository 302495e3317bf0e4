"""What each meta-gradient costs in memory, start-up and time, by inner steps.

    python -m training.meta_gradient_costs --inner_steps=1,5,20
    python -m training.meta_gradient_costs --meta_gradients=exact_recursive --graph_only

Every row is measured in a process of its own on workload W1 of docs/benchmark.md: the
resident size before the first meta-step and at its peak, the seconds of the first
meta-step (tracing, compiling and running), and the median of the seconds of the next.
Rows already in the results file are kept, so an interrupted run goes on.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from absl import flags

from training.common.running import run_script
from training.research.meta_step.worker import peak_memory_mb

FLAGS = flags.FLAGS
flags.DEFINE_list("inner_steps", ["1", "5", "20"], "Numbers of inner steps.")
flags.DEFINE_list(
    "meta_gradients",
    ["exact_recursive", "exact_unrolled", "first_order"],
    "Names that MAML's meta_gradient takes.",
)
flags.DEFINE_bool("graph_only", False, "Leave out jit_compile=True.")
flags.DEFINE_integer("rounds", 5, "Meta-steps behind the median.", lower_bound=1)
flags.DEFINE_bool("toy", False, "Toy sizes, to try the command.")
flags.DEFINE_string("results", "results/meta_gradients.json", "Where the rows go.")
flags.DEFINE_string("row", None, "Measure one row in this process: NAME,STEPS,XLA.")


def measure(name: str, steps: int, jit_compile: bool) -> dict[str, object]:
    """One row, in this process."""
    from training.research.meta_step import workloads
    from training.research.meta_step.contenders.ours import Ours

    workload = workloads.find("W1", FLAGS.toy)
    options = {"meta_gradient": name, "jit_compile": jit_compile}
    ours = Ours(workload, steps, **options)
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


def table(rows: list[dict[str, object]]) -> str:
    """The rows as Markdown.

    Example:

    >>> print(table([{"meta_gradient": "exact", "inner_steps": 1}]))
    | meta_gradient | inner_steps |
    |---|---|
    | exact | 1 |
    """
    names = list(rows[0])
    lines = [names, *([row[name] for name in names] for row in rows)]
    text = ["| " + " | ".join(map(str, line)) + " |" for line in lines]
    return "\n".join([text[0], "|" + "---|" * len(names), *text[1:]])


def main(argv: list[str]) -> None:
    if FLAGS.row:
        name, steps, xla = FLAGS.row.split(",")
        print(json.dumps(measure(name, int(steps), xla == "True")))
        return
    path = Path(FLAGS.results)
    rows = json.loads(path.read_text()) if path.exists() else []
    keys = ("meta_gradient", "inner_steps", "xla")
    for xla in (False,) if FLAGS.graph_only else (False, True):
        for name in FLAGS.meta_gradients:
            for steps in map(int, FLAGS.inner_steps):
                if any(tuple(r[k] for k in keys) == (name, steps, xla) for r in rows):
                    continue
                command = [sys.executable, "-m", "training.meta_gradient_costs"]
                command += [f"--row={name},{steps},{xla}", f"--toy={FLAGS.toy}"]
                command.append(f"--rounds={FLAGS.rounds}")
                pipe = subprocess.PIPE
                done = subprocess.run(command, stdout=pipe, text=True, check=False)
                if done.returncode != 0:
                    print(f"{name}, {steps} steps, xla={xla}: failed", file=sys.stderr)
                    continue
                rows.append(json.loads(done.stdout.splitlines()[-1]))
                print(done.stdout.splitlines()[-1], flush=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                aside = path.with_name("aside-" + path.name)
                aside.write_text(json.dumps(rows, indent=1) + "\n")
                aside.replace(path)
    if rows:
        print(table(rows))


if __name__ == "__main__":
    run_script(main)
