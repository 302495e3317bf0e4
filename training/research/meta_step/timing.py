"""All contenders of one workload, each in its own process, timed in turn.

Interleaved: in every round each contender runs for about as long as the others, one at
a time, so that a machine that slows down slows all of them down.
"""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

# One framework's log lines would drown the progress line.
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}


# Equal work gives equal losses up to the rounding of float32.
LARGEST_DEVIATION = 1e-3


class Unavailable(Exception):
    """A contender that cannot run here; the message is the reason."""


class WorkerProcess:
    """A contender that runs in a process of its own.

    Args:
        workload: name of the workload.
        inner_steps: K.
        contender: name of the contender.
        toy: whether to take toy sizes.
        memory_limit_mb: the resident size at which the process gives up.
        start_limit_seconds: how long it may take to its first answer.

    Raises:
        Unavailable: if it does not get through its first steps.
    """

    def __init__(
        self,
        workload: str,
        inner_steps: int,
        contender: str,
        toy: bool = False,
        memory_limit_mb: float = 1e9,
        start_limit_seconds: float = 1e9,
    ) -> None:
        size = "toy" if toy else "full"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "training.research.meta_step.worker"),
                *(workload, str(inner_steps), contender, size, str(memory_limit_mb)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **_QUIET},
        )
        # Pipes both, so neither is None.
        self._stdin: Any = self._process.stdin
        self._stdout: Any = self._process.stdout
        timer = threading.Timer(
            min(start_limit_seconds, threading.TIMEOUT_MAX), self._process.kill
        )
        timer.start()
        try:
            first = self._answer()
        except Unavailable as reason:
            if self._process.returncode == -signal.SIGKILL and not timer.is_alive():
                raise Unavailable(
                    f"no first steps within {start_limit_seconds:.0f} s"
                ) from reason
            raise
        finally:
            timer.cancel()
        self.first_step_seconds: float = first["first_step_seconds"]
        self.losses: list[float] = first["losses"]
        self.devices: int = first["devices"]
        self.peak_memory_mb = 0.0

    def run(self, steps: int) -> float:
        """Seconds a meta-step, over that many of them."""
        # A process that was killed, for want of memory say, has no answer either.
        with contextlib.suppress(BrokenPipeError):
            print(steps, file=self._stdin, flush=True)
        answer = self._answer()
        self.peak_memory_mb = answer["peak_memory_mb"]
        return answer["seconds"] / steps

    def close(self) -> None:
        """Ends the process and waits for it."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._process.wait()

    def _answer(self) -> dict:
        line = self._stdout.readline()
        answer = json.loads(line) if line else {}
        if not answer or "unavailable" in answer:
            self.close()
            code = self._process.returncode
            raise Unavailable(answer.get("unavailable", f"ended with code {code}"))
        return answer


def measure(
    workload: str,
    inner_steps: int,
    contenders: list[str],
    *,
    repeats: int,
    toy: bool = False,
    memory_limit_mb: float = 1e9,
    start_limit_seconds: float = 1e9,
    seconds_a_turn: float = 2.0,
    report: Callable[[str], None] = lambda message: None,
    between: Callable[[], None] = lambda: None,
) -> tuple[dict[str, dict], dict[str, str]]:
    """Times the contenders side by side.

    Args:
        workload: name of the workload.
        inner_steps: K.
        contenders: names.
        repeats: rounds; the median is taken over them.
        toy: whether to take toy sizes.
        memory_limit_mb: the resident size at which a contender is stopped.
        start_limit_seconds: how long a contender may take to its third meta-step.
        seconds_a_turn: a fast contender takes as many steps a turn as fit into this.
        report: gets a line on where the work is.
        between: called once a round, for measurements of the machine.

    Returns:
        By contender, `steps_per_second`, `peak_memory_mb`, `first_step_seconds`,
        `losses`, `devices` and `seconds` (of every round); and by contender that could
        not run, the reason.
    """
    workers: dict[str, WorkerProcess] = {}
    missing: dict[str, str] = {}
    turns: dict[str, int] = {}
    seconds: dict[str, list[float]] = {}
    try:
        for name in contenders:
            report(f"{name} starts")
            try:
                workers[name] = WorkerProcess(
                    workload,
                    inner_steps,
                    name,
                    toy,
                    memory_limit_mb,
                    start_limit_seconds,
                )
                # The warm-up also says how many steps make a turn.
                once = workers[name].run(1)
                turns[name] = max(1, round(seconds_a_turn / once))
                seconds[name] = []
            except Unavailable as reason:
                workers.pop(name, None)
                missing[name] = str(reason)
        for index in range(repeats):
            between()
            for name in list(workers):
                report(f"round {index + 1} of {repeats}, {name}")
                try:
                    seconds[name].append(workers[name].run(turns[name]))
                except Unavailable as reason:
                    missing[name] = str(reason)
                    del workers[name]
        return {
            name: {
                "steps_per_second": 1 / statistics.median(seconds[name]),
                "peak_memory_mb": worker.peak_memory_mb,
                "first_step_seconds": worker.first_step_seconds,
                "losses": worker.losses,
                "devices": worker.devices,
                "seconds": seconds[name],
            }
            for name, worker in workers.items()
        }, missing
    finally:
        for worker in workers.values():
            worker.close()


def loss_deviations(timings: dict[str, dict]) -> dict[str, float]:
    """How far each contender's first losses are from those of the first one."""
    reference = next(iter(timings.values()), {}).get("losses", [])
    return {
        name: max(
            abs(loss - expected) / max(abs(expected), 1e-12)
            for loss, expected in zip(timing["losses"], reference, strict=True)
        )
        for name, timing in timings.items()
    }
