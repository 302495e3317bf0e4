"""The whole way in a few minutes: export, teach, ask, meta-train, and one page of it.

    maml-tf demo

Runs the documented commands one after another and prints each, so that any of them can
be repeated by hand with other flags. Writes runs/demo/index.html with its pictures, and
a model to saved_models/demo. A run that was interrupted goes on.
"""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from absl import flags

from .common.running import run_script

FLAGS = flags.FLAGS
flags.DEFINE_string("output_dir", "runs/demo", "Where page and run are written.")
flags.DEFINE_string("export_dir", "saved_models/demo", "Where the export is written.")
flags.DEFINE_string(
    "corpus", "home_assistant_intents:en", "What is meta-trained and judged on."
)
flags.DEFINE_integer("steps", 40, "Meta-steps.", lower_bound=1)
flags.DEFINE_integer("episodes", 300, "Tasks to judge on.", lower_bound=2)
flags.DEFINE_multi_string(
    "train_flag", [], "A flag passed on to training.train, such as --learner=anil."
)

STRANGER = Path(__file__).with_name("stranger.py")


def main(argv: list[str]) -> None:
    folder, started = Path(FLAGS.output_dir), time.monotonic()
    run(
        "Export the meta-trained default: a SavedModel in which learning itself runs",
        *("-m", f"{__package__}.export", f"--export_dir={FLAGS.export_dir}"),
    )
    run(
        "Teach it six new intents in a process that knows none of this package",
        *("-I", str(STRANGER), str(Path(FLAGS.export_dir).resolve())),
        quiet=True,
    )
    run(
        "Meta-train it further, on tasks drawn from the intents of a smart home",
        *("-m", f"{__package__}.train", f"--corpus={FLAGS.corpus}"),
        f"--output_dir={folder / 'train'}",
        f"--steps={FLAGS.steps}",
        f"--validate_every={max(FLAGS.steps // 10, 1)}",
        *("--shots=1", *FLAGS.train_flag),
    )
    print("\n== Judge it on intents that training never saw, and draw", flush=True)
    from .common.demo_page import write_demo_page

    page = write_demo_page(folder, Path(FLAGS.export_dir), episodes=FLAGS.episodes)
    print(
        f"\nDone in {time.monotonic() - started:.0f} s. Everything on one page: {page}"
    )


def run(title: str, *command: str, quiet: bool = False) -> None:
    """Prints a command and runs it; ends the demo if it fails.

    Args:
        title: what it does.
        command: after `python`.
        quiet: show what it writes to error output only if it fails.
    """
    print(f"\n== {title}\n$ {shlex.join(['python', *command])}", flush=True)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stderr=subprocess.PIPE if quiet else None,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.buffer.write(done.stderr or b"")
        sys.exit(f"demo: the command above ended with status {done.returncode}.")
    print(f"({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    run_script(main)
