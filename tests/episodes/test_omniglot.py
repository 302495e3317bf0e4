"""Omniglot's reader on the real file, and on what is not there."""

import numpy as np
import pytest

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.omniglot import image_episodes, read_omniglot


def test_vinyals_split(data_dir):
    sizes = {"train": 1028, "validation": 172, "test": 423}
    upright = {
        split: read_omniglot(data_dir / "omniglot", split, rotations=False)
        for split in sizes
    }
    for split, size in sizes.items():
        assert len(upright[split].class_names) == size
        assert upright[split].inputs.shape == (size * 20, 28, 28, 1)
    names = [set(corpus.class_names) for corpus in upright.values()]
    assert len(set.union(*names)) == sum(sizes.values())


def test_rotations_are_classes(data_dir):
    corpus = read_omniglot(data_dir / "omniglot", "validation")
    assert len(corpus.class_names) == 4 * 172
    assert corpus.class_names[172].endswith("@90")
    first = corpus.inputs[0, ..., 0]
    turned = corpus.inputs[np.flatnonzero(corpus.labels == 172)[0], ..., 0]
    np.testing.assert_array_equal(turned, np.rot90(first))
    x, y = next(iter(image_episodes(corpus, ways=5, shots=1, queries=2)))
    assert x["support_inputs"].shape[2:] == (28, 28, 1) and y.shape == (4, 10)
    assert float(x["query_inputs"].numpy().max()) <= 1


def test_missing_files_and_unknown_splits_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="does not exist"):
        read_omniglot(tmp_path, "train")
    with pytest.raises(CorpusError, match="half"):
        read_omniglot(tmp_path, "half")
