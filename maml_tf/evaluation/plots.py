"""Pictures of a training run."""

from pathlib import Path


def plot_curves(rows: list[dict[str, float]], path: str | Path) -> None:
    """Draws training loss and validation accuracy against steps into a PNG file.

    Args:
        rows: one dict per validation, with `step`, `loss` and `validation_accuracy`.
        path: the PNG file to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    steps = [row["step"] for row in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.5))
    left.plot(steps, [row["loss"] for row in rows], marker="o")
    left.set(xlabel="meta-training step", ylabel="query loss", title="Training")
    right.plot(steps, [row["validation_accuracy"] for row in rows], marker="o")
    right.set(xlabel="meta-training step", ylabel="accuracy", title="Unseen intents")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
