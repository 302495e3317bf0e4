"""Command-line scripts: `python -m training.NAME --help` explains each.

What a user runs lies in this folder, what research needs in `research`, and what both
share in `common`.
"""

import os
from pathlib import Path

# Before TensorFlow is imported: what it says of itself would hide what a script says.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Research scripts answer to short names too: `python -m training.benchmark`.
RESEARCH = Path(__file__).parent / "research"
__path__ += [str(room) for room in sorted(RESEARCH.iterdir()) if room.is_dir()]
