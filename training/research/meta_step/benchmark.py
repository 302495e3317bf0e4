"""Times the meta-step beside other libraries, at equal work, in one run.

    python -m training.benchmark --results=results/benchmark.json
    python -m training.benchmark --workloads=W1,W4 --contenders=ours,torch_loop
                                      # other workloads' rows in the file stay
    python -m training.benchmark --toy              # a minute, to see that it works
    python -m training.benchmark --strategy=mirrored   # how it scales over the GPUs
    python -m training.benchmark --table            # print results as Markdown
    python -m training.benchmark --table --document=docs/benchmark.md   # and write them

Every contender runs in its own process and steps in turn with the others. Peers come
from the extra `bench` (`pip install '.[bench]'`); what is not installed is listed with
the reason. docs/benchmark.md says what the workloads and the columns are.
"""

import math
import os
import platform
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from absl import app, flags

from training.common.files import read_json, write_aside
from training.common.flag_types import define_count, define_path
from training.common.result_rows import ResultRows
from training.common.running import run_script
from training.common.strategies import check_strategy
from training.common.tables import replace_between_marks
from training.research.meta_step.contenders import CONTENDERS
from training.research.meta_step.results import (
    PLACE,
    make_row,
    plot,
    sizes_digest,
    summary,
    table,
)
from training.research.meta_step.timing import (
    LARGEST_DEVIATION,
    loss_deviations,
    measure,
)
from training.research.meta_step.workloads import WORKLOADS, find

FLAGS = flags.FLAGS
RESULTS, TOY_RESULTS = "results/benchmark.json", "results/benchmark_toy.json"
flags.DEFINE_list("workloads", list(WORKLOADS), f"Some of {', '.join(WORKLOADS)}.")
flags.DEFINE_list("contenders", list(CONTENDERS), f"Some of {', '.join(CONTENDERS)}.")
define_count("repeats", 5, "Rounds; their median is reported.", least=1)
define_path(
    "results",
    None,
    f"The file of rows; {RESULTS} if left out, and {TOY_RESULTS} with --toy.",
)
flags.DEFINE_bool("toy", False, "Toy sizes, to try the command.")
flags.DEFINE_bool("table", False, "Print the rows of --results and measure nothing.")
define_path(
    "document",
    None,
    "With --table: a Markdown file; what is between its lines <!-- benchmark summary "
    "--> or <!-- benchmark table --> and their ends is written anew.",
)
flags.DEFINE_float(
    "memory_share", 0.7, "A contender that needs more of this machine's memory stops."
)
flags.DEFINE_float(
    "start_limit",
    180,
    "A contender that takes more seconds to build, trace, compile and run its first "
    "three meta-steps stops.",
)
define_path(
    "dump_stablehlo",
    None,
    "A folder: write our compiled meta-step of each workload as StableHLO there, with "
    "arguments and results for training.run_stablehlo, and measure nothing.",
)


def check_names() -> None:
    for flag, known in (("workloads", WORKLOADS), ("contenders", CONTENDERS)):
        unknown = sorted(set(FLAGS[flag].value or ()) - set(known))
        if unknown:
            raise app.UsageError(
                f"--{flag} does not know {', '.join(unknown)}; it takes "
                f"{', '.join(known)}."
            )


def progress(message: str) -> None:
    """One line that is written over, or lines in a file."""
    if sys.stderr.isatty():
        print(f"\r\033[K{message}", end="", file=sys.stderr, flush=True)
    else:
        print(message, file=sys.stderr, flush=True)


def measuring() -> dict[str, Any]:
    """What the flags say of how contenders are timed, for `measure`."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "repeats": FLAGS.repeats,
        "toy": FLAGS.toy,
        "memory_limit_mb": FLAGS.memory_share * memory / 2**20,
        "start_limit_seconds": FLAGS.start_limit,
        "seconds_a_turn": 0.2 if FLAGS.toy else 2.0,
    }


def main(argv: list[str]) -> None:
    check_names()
    if FLAGS.strategy != "none":
        print(scaling())
        return
    path = Path(FLAGS.results or (TOY_RESULTS if FLAGS.toy else RESULTS))
    if FLAGS.table:
        if not path.is_file():
            raise app.UsageError(f"{path} does not exist; run the benchmark first.")
        rows = read_json(path, missing=[])
        if FLAGS.document:
            write_document(Path(FLAGS.document), rows)
        print(table(rows))
        return
    if FLAGS.dump_stablehlo:
        from training.research.meta_step.stablehlo import dump

        for name in FLAGS.workloads:
            dump(find(name, FLAGS.toy), Path(FLAGS.dump_stablehlo), progress)
        return
    run_all(path)


def scaling() -> str:
    """The table of our meta-step on one device and shared among several."""
    if FLAGS.strategy == "multi_worker":
        raise app.UsageError(
            "--strategy=multi_worker is not timed here: training.train with it says "
            "how many seconds a meta-step takes; compare that with one worker's."
        )
    tasks = math.gcd(*(find(name, FLAGS.toy).tasks for name in FLAGS.workloads))
    check_strategy(tasks)
    from training.research.meta_step.scaling import measure_scaling

    try:
        return measure_scaling(
            FLAGS.workloads,
            FLAGS.strategy,
            report=progress,
            **measuring(),
        )
    except RuntimeError as error:
        raise app.UsageError(f"--strategy={FLAGS.strategy}: {error}") from error


def write_document(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes the table, the summary or both, whichever the document has marks for."""
    if not path.is_file():
        raise app.UsageError(f"{path} does not exist; --document names a file to edit.")
    text = path.read_text(encoding="utf-8")
    parts = {"benchmark summary": summary, "benchmark table": table}
    wanted = [mark for mark in parts if f"<!-- {mark} -->" in text]
    for mark in wanted or parts:
        text = replace_between_marks(text, mark, parts[mark](rows))
    write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def check_sizes(path: Path, rows: ResultRows) -> None:
    """Refuses to put rows beside others that were measured at other sizes."""
    known = {
        sizes_digest(workload, steps)
        for workload in (find(name, FLAGS.toy) for name in WORKLOADS)
        for steps in workload.inner_steps
    }
    strange = [row for digest, row in rows.items() if digest not in known]
    if strange:
        sizes = "toy sizes" if FLAGS.toy else "the sizes of today"
        raise app.UsageError(
            f"{path} holds rows of {strange[0]['workload']} that were not measured at "
            f"{sizes} by this version; name another --results."
        )


def run_all(path: Path) -> None:
    rows = ResultRows(path, place=PLACE)
    check_sizes(path, rows)
    notes = ResultRows(notes_path(path), place=PLACE)
    # TensorFlow takes seconds to import, which --help and --table need not wait for.
    from training.research.meta_step.matmul_flops import MachineRate, meta_step_flops

    started = time.time()
    rate = MachineRate()
    rate.measure()

    def report(label: str, text: str) -> None:
        progress(f"{(time.time() - started) / 60:5.1f} min  {label}: {text}")

    timed: list[tuple[str, int, float, dict[str, dict]]] = []
    new_notes = []
    for name in FLAGS.workloads:
        for inner_steps in find(name, FLAGS.toy).inner_steps:
            timings, missing = measure(
                name,
                inner_steps,
                FLAGS.contenders,
                **measuring(),
                report=partial(report, f"{name}, K={inner_steps}"),
                between=rate.measure,
            )
            flops = meta_step_flops(find(name, FLAGS.toy), inner_steps)
            timed.append((name, inner_steps, flops, timings))
            new_notes.append(
                {
                    "workload": name,
                    "inner_steps": inner_steps,
                    "machine": f"{os.cpu_count()} cores, {processor_name()}",
                    "matmul_flops": flops,
                    "matmul_flops_per_second": rate.flops_per_second,
                    "losses": {k: v["losses"] for k, v in timings.items()},
                    "loss_deviation": loss_deviations(timings),
                    "seconds": {k: v["seconds"] for k, v in timings.items()},
                    "unavailable": missing,
                }
            )
            # The machine's rate is the best of all rounds so far, so earlier fractions
            # are taken anew.
            for workload, steps, count, found in timed:
                digest = sizes_digest(find(workload, FLAGS.toy), steps)
                made = [
                    make_row(
                        workload,
                        steps,
                        contender,
                        {
                            **timing,
                            "matmul_fraction": count
                            * timing["steps_per_second"]
                            / rate.flops_per_second,
                        },
                    )
                    for contender, timing in found.items()
                ]
                rows.keep(digest, made)
            digest = sizes_digest(find(name, FLAGS.toy), inner_steps)
            notes.keep(digest, [new_notes[-1]])
    progress("")
    measured = {(workload, steps) for workload, steps, _, _ in timed}
    mine = [r for r in rows.all() if (r["workload"], r["inner_steps"]) in measured]
    print(table(mine))
    print(f"\nlarge matrix products: {rate.flops_per_second / 1e9:.0f} GFLOP/s")
    failed = report_notes(new_notes)
    plot(rows.all(), path.with_suffix(".png"))
    print(f"wrote {path}, {notes_path(path)} and {path.with_suffix('.png')}")
    if failed:
        sys.exit(1)


def notes_path(path: Path) -> Path:
    """What is no row: the machine, each round, how equal the work was, who is out."""
    return path.with_name(f"{path.stem}_notes.json")


def processor_name() -> str:
    """The processor's own name where the system tells it, else its family's."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


def report_notes(notes: list[dict]) -> bool:
    """Prints who could not run and whose work was not equal; True if any was not."""
    unequal = False
    for note in notes:
        label = f"{note['workload']}, K={note['inner_steps']}"
        for name, reason in note["unavailable"].items():
            print(f"{label}: {name} could not run: {reason}")
        for name, deviation in note["loss_deviation"].items():
            if not deviation < LARGEST_DEVIATION:
                unequal = True
                print(
                    f"{label}: {name} does other work: its losses are off by "
                    f"{deviation:.1e}."
                )
    return unequal


if __name__ == "__main__":
    run_script(main)
