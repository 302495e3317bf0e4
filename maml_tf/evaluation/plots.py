"""Pictures of a training run."""

from pathlib import Path
from typing import Any

from maml_tf.evaluation.accuracy import Accuracy


def plot_curves(rows: list[dict[str, float]], path: str | Path) -> None:
    """Draws training loss and validation accuracy against steps into a PNG file.

    Args:
        rows: one dict per validation, with `step`, `loss` and `validation_accuracy`.
        path: the PNG file to write.
    """
    pyplot = _pyplot()
    steps = [row["step"] for row in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.5))
    left.plot(steps, [row["loss"] for row in rows], marker="o")
    left.set(xlabel="meta-training step", ylabel="query loss", title="Training")
    right.errorbar(
        steps,
        [row["validation_accuracy"] for row in rows],
        yerr=[row.get("validation_ci95", 0.0) for row in rows],
        marker="o",
        capsize=3,
    )
    right.set(
        xlabel="meta-training step",
        ylabel="accuracy, 95 % interval",
        title="Intents of the validation classes",
    )
    _save(figure, path)


def plot_inner_steps(
    curve: dict[int, Accuracy], path: str | Path, *, baseline: Accuracy | None = None
) -> None:
    """Draws accuracy against the number of inner steps into a PNG file.

    Args:
        curve: from a number of steps to the accuracy after them.
        path: the PNG file to write.
        baseline: of the frozen encoder, drawn as a band.
    """
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(5, 3.5))
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
    _save(figure, path)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: str | Path) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    _pyplot().close(figure)
