"""How a script runs, and ends on a mistake in its input."""

import sys
from collections.abc import Callable
from pathlib import Path

from absl import app


def run_script(main: Callable[[list[str]], None]) -> None:
    """Runs `main` under absl; a mistake in the input ends it in one sentence."""

    def checked(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"Unexpected arguments: {' '.join(argv[1:])}.")
        try:
            main(argv)
        except Exception as error:
            if not is_mistake(error):
                raise
            sys.exit(f"{Path(sys.argv[0]).stem}: {error}")

    app.run(checked)


def is_mistake(error: Exception) -> bool:
    """Whether the error tells of the user's input, and not of a fault of ours."""
    # Imported late: a script's --help need not wait for TensorFlow.
    from maml_tf.base_learners import BaseLearnerError
    from maml_tf.episodes import CorpusError, SamplingError
    from maml_tf.learners.episode_checks import EpisodeError

    return isinstance(
        error, (CorpusError, SamplingError, BaseLearnerError, EpisodeError)
    )
