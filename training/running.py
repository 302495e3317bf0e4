"""How a script runs, and ends on a mistake in its input."""

import sys
from collections.abc import Callable
from pathlib import Path

from absl import app

from maml_tf.base_learners import BaseLearnerError
from maml_tf.episodes import CorpusError, SamplingError
from maml_tf.learners.episode_checks import EpisodeError

# What is wrong with the user's input, as against a fault of ours.
MISTAKES = (CorpusError, SamplingError, BaseLearnerError, EpisodeError)


def run_script(main: Callable[[list[str]], None]) -> None:
    """Runs `main` under absl; a mistake in the input ends it in one sentence."""

    def checked(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"Unexpected arguments: {' '.join(argv[1:])}.")
        try:
            main(argv)
        except MISTAKES as error:
            sys.exit(f"{Path(sys.argv[0]).stem}: {error}")

    app.run(checked)
