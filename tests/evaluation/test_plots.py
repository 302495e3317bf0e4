"""Pictures that leave the caller's matplotlib alone."""

import pytest

from maml_tf.evaluation import Accuracy, plot_curves, plot_inner_steps

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
