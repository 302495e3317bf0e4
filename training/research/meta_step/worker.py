"""One contender in a process of its own, which steps when it is told to.

    python -m training.research.meta_step.worker W1 5 torch_loop

Answers are JSON, one line each: first `{"first_step_seconds", "losses",
"devices"}` (the query losses of the first three meta-steps, which prove equal work) or
`{"unavailable"}` with the reason; then for every line `N` on standard input,
`{"seconds"}`, what N meta-steps took, and `{"peak_memory_mb"}` so far. It ends with its
input.
"""

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from training.research.meta_step import workloads
from training.research.meta_step.contenders import find_contender

FIRST_LOSSES = 3


def peak_memory_mb() -> float:
    """The largest resident size of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # `getrusage` would start from the size of the parent at the fork.
        line = next(t for t in status.read_text().splitlines() if "VmHWM" in t)
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def stop_above(limit_mb: float, answer: Callable[[dict], None]) -> None:
    """Ends the process once it is larger than the limit, before the machine is full."""
    while True:
        time.sleep(0.1)
        if peak_memory_mb() > limit_mb:
            answer({"unavailable": f"needs more than {limit_mb:.0f} MiB"})
            os._exit(0)


def main(argv: list[str]) -> None:
    name, inner_steps, contender, toy, limit_mb = argv
    # Frameworks print to standard output too; answers keep it for themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(row: dict) -> None:
        print(json.dumps(row), file=answers, flush=True)

    threading.Thread(
        target=stop_above, args=(float(limit_mb), answer), daemon=True
    ).start()
    try:
        workload = workloads.find(name, toy == "toy")
        entry = find_contender(contender)
        entry.load()
        start = time.perf_counter()
        running = entry.build(workload, int(inner_steps))
        losses = [running.step()]
        seconds = time.perf_counter() - start
        losses += [running.step() for _ in range(FIRST_LOSSES - 1)]
    except Exception as error:
        # Whatever a peer raises is the reason to print beside its name.
        reason = f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"
        answer({"unavailable": reason})
        return
    devices = getattr(running, "devices", 1)
    answer({"first_step_seconds": seconds, "losses": losses, "devices": devices})
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            running.step()
        seconds = time.perf_counter() - start
        answer({"seconds": seconds, "peak_memory_mb": peak_memory_mb()})


if __name__ == "__main__":
    main(sys.argv[1:])
