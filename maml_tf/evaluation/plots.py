"""Pictures of a training run."""

from pathlib import Path

from maml_tf.evaluation.accuracy import Accuracy
from maml_tf.evaluation.pictures import new_figure, save_picture


def plot_curves(rows: list[dict[str, float]], path: str | Path) -> None:
    """Draws training loss and validation accuracy against steps into a PNG file.

    Args:
        rows: one dict per validation, with `step`, `validation_accuracy` and, but for
            that before the first step, `loss`.
        path: the PNG file to write.
    """
    trained = [row for row in rows if "loss" in row]
    figure = new_figure(9, 3.5)
    left, right = figure.subplots(1, 2)
    left.plot(
        [row["step"] for row in trained], [row["loss"] for row in trained], marker="o"
    )
    left.set(
        xlabel="meta-training steps",
        ylabel="loss on the questions of training tasks",
        title="Mistakes in training",
    )
    right.errorbar(
        [row["step"] for row in rows],
        [100 * row["validation_accuracy"] for row in rows],
        yerr=[100 * row.get("validation_ci95", 0.0) for row in rows],
        marker="o",
        capsize=3,
    )
    right.set(
        xlabel="meta-training steps",
        ylabel="questions understood, %, 95 % interval",
        title="New intents, kept aside for validation",
    )
    for axes in (left, right):
        axes.grid(alpha=0.3)
    save_picture(figure, path)


def plot_inner_steps(
    curve: dict[int, Accuracy], path: str | Path, *, baseline: Accuracy | None = None
) -> None:
    """Draws accuracy against the number of inner steps into a PNG file.

    Args:
        curve: from a number of steps to the accuracy after them.
        path: the PNG file to write.
        baseline: of the frozen encoder, drawn as a band.
    """
    figure = new_figure(5, 3.5)
    axes = figure.subplots()
    axes.errorbar(
        list(curve),
        [accuracy.mean for accuracy in curve.values()],
        yerr=[accuracy.ci95 for accuracy in curve.values()],
        marker="o",
        capsize=3,
        label="meta-trained",
    )
    if baseline is not None:
        low, high = baseline.mean - baseline.ci95, baseline.mean + baseline.ci95
        axes.axhspan(low, high, alpha=0.3, color="grey", label="frozen encoder")
    axes.set(
        xlabel="inner steps on the support set",
        ylabel="accuracy, 95 % interval",
        title="Intents never seen in training",
    )
    axes.legend()
    save_picture(figure, path)
