"""Command-line scripts: `python -m training.NAME --help` explains each."""

import os

# Before TensorFlow is imported: what it says of itself would hide what a script says.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
