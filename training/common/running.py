"""How a script runs, and ends on a mistake in its input."""

import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags, logging

# Errors whose message is all that a user needs.
MISTAKES = {
    "BaseLearnerError",
    "CorpusError",
    "EpisodeError",
    "EvaluationError",
    "OSError",
    "RequestError",
    "RunError",
    "SamplingError",
    "ServiceError",
    "TrainingDivergedError",
    "UsageError",
}


def run_script(main: Callable[[list[str]], None]) -> None:
    """Runs `main` under absl; a mistake in the input ends it in one sentence."""

    def checked(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"Unexpected arguments: {' '.join(argv[1:])}.")
        if not flags.FLAGS["verbosity"].present:
            # What libraries tell of themselves.
            logging.set_verbosity(logging.WARNING)
        try:
            main(argv)
        except Exception as error:
            if not is_mistake(error):
                raise
            sys.exit(f"{Path(sys.argv[0]).stem}: {sentence(error)}")

    _show_all_flags_in_help()
    app.run(checked)


def sentence(error: Exception) -> str:
    """What an error says.

    Example:

    >>> sentence(OSError(28, "No space left on device", "runs/first/model.keras"))
    'No space left on device: runs/first/model.keras.'
    """
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{place}."
    return str(error)


def _show_all_flags_in_help() -> None:
    """Lets --help tell of the flags, too, that a script shares with others."""
    ours = __name__.partition(".common.")[0]  # training, or maml_tf.commands
    for module, shared in flags.FLAGS.flags_by_module_dict().items():
        if module.startswith(f"{ours}."):
            for flag in shared:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def is_mistake(error: Exception) -> bool:
    """Whether the error tells of the user's input or machine, not of a fault of ours.

    Example:

    >>> is_mistake(OSError(28, "No space left on device")), is_mistake(KeyError("x"))
    (True, False)
    """
    # Compared by name, so that what was never imported is not imported for it.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & MISTAKES)
