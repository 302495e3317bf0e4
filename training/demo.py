"""The whole way in a few minutes: meta-train, judge, export, ask in another process.

    python -m training.demo

Runs the documented commands one after another and prints each, so that any of them can
be repeated by hand with other flags. A run that was interrupted goes on.
"""

import shlex
import subprocess
import sys
import time
from pathlib import Path

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("output_dir", "runs/demo", "Where the run is written.")
flags.DEFINE_string("export_dir", "saved_models/demo", "Where the export is written.")
flags.DEFINE_integer("steps", 80, "Meta-steps.", lower_bound=1)
flags.DEFINE_integer("episodes", 600, "Test episodes.", lower_bound=2)
flags.DEFINE_multi_string(
    "train_flag", [], "A flag passed on to training.train, such as --learner=anil."
)

STRANGER = Path(__file__).with_name("stranger.py")


def run(title: str, *command: str) -> None:
    """Prints a command and runs it; ends the demo if it fails."""
    print(f"\n== {title}\n$ {shlex.join(['python', *command])}", flush=True)
    started = time.monotonic()
    done = subprocess.run([sys.executable, *command], check=False)
    if done.returncode != 0:
        sys.exit(f"demo: the command above ended with status {done.returncode}.")
    print(f"({time.monotonic() - started:.0f} s)", flush=True)


def main(argv: list[str]) -> None:
    folder, started = FLAGS.output_dir, time.monotonic()
    run(
        "Meta-train on tasks drawn from the intents of a smart home",
        *("-m", "training.train", f"--output_dir={folder}", f"--steps={FLAGS.steps}"),
        "--learner=proto_maml",
        "--fast_weights=head",
        "--shots=1",
        "--validate_every=40",
        "--tasks_per_batch=1",
        *FLAGS.train_flag,
    )
    run(
        "Judge it on intents that training never saw",
        *("-m", "training.evaluate", f"--model_dir={folder}"),
        f"--episodes={FLAGS.episodes}",
        "--shots=3",
        f"--results={folder}/test.json",
        f"--inner_steps_plot={folder}/inner_steps.png",
    )
    run(
        "Export it: a SavedModel in which learning itself runs",
        *("-m", "training.export", f"--model_dir={folder}"),
        f"--export_dir={FLAGS.export_dir}",
    )
    run(
        "Teach it three new intents in a process that knows none of this package",
        *("-I", str(STRANGER), str(Path(FLAGS.export_dir).resolve())),
    )
    print(
        f"\nDone in {time.monotonic() - started:.0f} s. Pictures: {folder}/curves.png "
        f"and {folder}/inner_steps.png. Model: {FLAGS.export_dir}."
    )


if __name__ == "__main__":
    app.run(main)
