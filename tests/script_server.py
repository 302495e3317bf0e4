"""Runs scripts in forks of one process that has TensorFlow loaded already.

A suite runs some eighty scripts, and each would spend most of its time on importing
the same libraries. Started as a program it reads lines of JSON: script, arguments,
files for both outputs; and answers each with the exit status.
"""

import gc
import json
import os
import runpy
import signal
import sys
import traceback


def main() -> None:
    import keras_nlp  # noqa: F401
    import tensorflow  # noqa: F401
    import tensorflow_text  # noqa: F401

    # What is loaded by now is shared with all forks, and none has to look through it.
    gc.collect()
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(asked)
        signal.signal(signal.SIGALRM, lambda *_, child=child: os.kill(child, 9))
        signal.alarm(asked["seconds"])
        _, status = os.waitpid(child, 0)
        signal.alarm(0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def _run(asked: dict) -> None:
    """The script with files for its outputs; never returns."""
    for number, path in ((1, asked["stdout"]), (2, asked["stderr"])):
        os.dup2(os.open(path, os.O_WRONLY), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = [asked["script"], *asked["flags"]]
    status = 0
    try:
        runpy.run_module(f"training.{asked['script']}", run_name="__main__")
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
