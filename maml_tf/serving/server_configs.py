"""The two text files that TF Serving is started with, for a folder of exports."""

import os
from pathlib import Path

from maml_tf.serving.saved_model import versions_of

BATCHING = """\
# For --enable_batching with --batching_parameters_file. Only the signatures with a task
# axis (classify_tasks, adapt_tasks, predict_tasks) and embed may then be called.
max_batch_size { value: 16 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 256 }
# Requests of different sizes are filled up with their first entry. End every list of
# strings with an empty one, and what follows is not read.
pad_variable_length_inputs: true
"""


def write_server_configs(folder: str | Path, mounted: str = "/models") -> None:
    """Writes models.config, naming every export in the folder, and batching.config.

    Args:
        folder: where exports are, laid out as NAME/VERSION.
        mounted: the path under which the server sees that folder.
    """
    folder = Path(folder).expanduser()
    names = sorted(path.name for path in folder.iterdir() if versions_of(path))
    models = "".join(
        f'  config {{ name: "{name}" base_path: "{mounted}/{name}" '
        'model_platform: "tensorflow" }\n'
        for name in names
    )
    for name, text in (
        ("models.config", f"model_config_list {{\n{models}}}\n"),
        ("batching.config", BATCHING),
    ):
        aside = folder / f"aside-{os.getpid()}-{name}"
        aside.write_text(text)
        os.replace(aside, folder / name)
