"""Command-line scripts: `python -m training.NAME --help` explains each.

What a user runs lies in this folder, what research needs in `research`, and what both
share in `common`. A wheel holds the users' scripts as `maml_tf.commands`.
"""

from pathlib import Path

from .common.quiet import silence_tensorflow

# Before TensorFlow is imported: what it says of itself would hide what a script says.
silence_tensorflow()

# Research scripts answer to short names too: `python -m training.benchmark`.
RESEARCH = Path(__file__).parent / "research"
if RESEARCH.is_dir():
    __path__ += [str(room) for room in sorted(RESEARCH.iterdir()) if room.is_dir()]
