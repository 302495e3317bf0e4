"""PNG files drawn without matplotlib's global state, as a library has to."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, sizes in inches, that belongs to nobody but the caller.

    `pyplot` would keep it for ever and take a backend, perhaps another than the one
    that the caller's own windows use.

    Raises:
        ModuleNotFoundError: without matplotlib; it is in the extra `plot`.

    Example:

    >>> axes = new_figure(4, 3).subplots()
    >>> axes.plot([1, 2], [3, 4])
    [<matplotlib.lines.Line2D object at ...>]
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_picture(figure: "Figure", path: str | Path, dpi: int = 120) -> None:
    """Writes a figure as a PNG file, whatever its name; the folder is made if need be.

    Args:
        figure: of `new_figure`.
        path: of the file.
        dpi: dots an inch.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi, format="png")
