"""Pictures that leave the caller's matplotlib alone."""

import numpy as np
import pytest

from maml_tf.evaluation import Accuracy, plot_curves, plot_inner_steps
from maml_tf.evaluation.label_places import places_apart

matplotlib = pytest.importorskip("matplotlib")
PNG = b"\x89PNG\r\n"
ROWS = [{"step": 50, "loss": 1.0, "validation_accuracy": 0.5}]


def test_pictures_are_written_and_no_backend_is_taken(tmp_path):
    from matplotlib import pyplot

    matplotlib.use("svg")
    mine = pyplot.figure()
    plot_curves(ROWS, tmp_path / "new" / "curves.png")
    plot_inner_steps(
        {0: Accuracy(0.5, 0.1, 9), 5: Accuracy(0.8, 0.1, 9)},
        tmp_path / "steps.png",
        baseline=Accuracy(0.6, 0.1, 9),
    )
    assert matplotlib.get_backend().lower() == "svg"
    assert pyplot.get_fignums() == [mine.number]
    pyplot.close(mine)
    for picture in (tmp_path / "new" / "curves.png", tmp_path / "steps.png"):
        assert picture.read_bytes().startswith(PNG)


def test_numbers_on_a_map_do_not_hide_each_other():
    points = np.random.default_rng(0).normal(size=(30, 2)) * 0.05
    points[:4] = 0  # in one place
    places = places_apart(points, 0.04)
    apart = np.linalg.norm(places[:, None] - places, axis=-1) + np.eye(30)
    assert apart.min() > 0.039
    assert np.abs(places - points).max() < 0.2
