"""Omniglot as rows to draw episodes from: a class is a character at one rotation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.dataset import EncodedCorpus, episode_dataset

# Our name of each part, and the split file's.
SPLITS = {"train": "train", "validation": "val", "test": "test"}
QUARTER_TURNS = 4


def read_omniglot(
    folder: str | Path, split: str, *, rotations: bool = True
) -> EncodedCorpus:
    """Reads one part of Omniglot (Lake et al. 2015) in the split of Vinyals et al.

    Each character turned by 0, 90, 180 and 270 degrees makes four classes, as in
    matching networks (arXiv 1606.04080) and the papers that compare with it.

    Args:
        folder: holds `omniglot.npz` (`images28` uint8 `[characters, drawers, 28, 28]`
            with ink bright, and `part`, `alphabet`, `character` for each character)
            and `vinyals_splits.json` (split, part, alphabet, list of characters).
        split: `"train"`, `"validation"` or `"test"`.
        rotations: False takes every character upright only.

    Returns:
        Rows with `inputs` uint8 `[rows, 28, 28, 1]`; class names end in the rotation.

    Raises:
        CorpusError: for an unknown split, or where a file or a character is missing.
    """
    if split not in SPLITS:
        raise CorpusError(f"split={split!r} is not known; give one of {list(SPLITS)}.")
    arrays, chosen = Path(folder) / "omniglot.npz", Path(folder) / "vinyals_splits.json"
    for path in (arrays, chosen):
        if not path.is_file():
            raise CorpusError(
                f"{path} does not exist; the folder has to be the one that holds "
                "omniglot.npz and vinyals_splits.json."
            )
    wanted = json.loads(chosen.read_text())[SPLITS[split]]
    with np.load(arrays) as file:
        images = file["images28"]
        keys = zip(
            *(file[name].tolist() for name in ("part", "alphabet", "character")),
            strict=True,
        )
        places = {key: place for place, key in enumerate(keys)}
    names = [
        (part.removeprefix("images_"), alphabet, character)
        for part, alphabets in wanted.items()
        for alphabet, characters in alphabets.items()
        for character in characters
    ]
    places = {(p.removeprefix("images_"), a, c): i for (p, a, c), i in places.items()}
    missing = [name for name in names if name not in places]
    if missing:
        raise CorpusError(
            f"{arrays} lacks {len(missing)} characters of the {split} split, for one "
            f"{'/'.join(missing[0])}."
        )
    images = images[[places[name] for name in names]]
    turns = range(QUARTER_TURNS if rotations else 1)
    turned = np.concatenate([np.rot90(images, turn, axes=(2, 3)) for turn in turns])
    classes = tuple(f"{'/'.join(name)}@{90 * turn}" for turn in turns for name in names)
    drawers = images.shape[1]
    return EncodedCorpus(
        turned.reshape(-1, *images.shape[2:], 1),
        np.repeat(np.arange(len(classes), dtype="int32"), drawers),
        classes,
    )


def image_episodes(encoded: EncodedCorpus, **options: Any) -> tf.data.Dataset:
    """Episodes of images scaled to [0, 1]; options are those of `episode_dataset`.

    Example:

    >>> encoded = EncodedCorpus(np.full((6, 2, 2, 1), 255, "uint8"),
    ...                         np.repeat([0, 1], 3), ("a", "b"))
    >>> x, _ = next(iter(image_episodes(encoded, ways=2, shots=1, queries=2)))
    >>> float(tf.reduce_min(x["query_inputs"]))
    1.0
    """

    def scale(x: dict[str, Any], y: tf.Tensor) -> tuple[dict[str, Any], tf.Tensor]:
        scaled = {
            key: tf.cast(value, tf.float32) / 255 if key.endswith("inputs") else value
            for key, value in x.items()
        }
        return scaled, y

    return episode_dataset(encoded, **options).map(scale)
