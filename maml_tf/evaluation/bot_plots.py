"""Pictures of a bot: how well it does, and where its sentences lie."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maml_tf.evaluation.accuracy import Accuracy
from maml_tf.evaluation.label_places import places_apart
from maml_tf.evaluation.pictures import new_figure, save_picture

if TYPE_CHECKING:
    from maml_tf.evaluation.bot_report import BotReport
    from maml_tf.evaluation.bot_trial import Tried

GOOD, POOR, QUIET = "#2a7f62", "#c8553d", "#8a8f98"
# Colours that differ for colour-blind readers, too (Okabe and Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKS = "osD^vPX"
# Of a written number, as a share of the map.
NUMBER_SIZE = 0.04


def plot_accuracy_by_examples(
    curves: Mapping[str, Mapping[int, Accuracy]],
    path: str | Path,
    *,
    chance: float,
    title: str,
) -> None:
    """Draws accuracy against the number of examples of an intent into a PNG file.

    Args:
        curves: by name, the best one first, from a number of examples to an accuracy.
        path: the PNG file to write.
        chance: the accuracy of guessing.
        title: what is to be seen.
    """
    figure = new_figure(7, 4.2)
    axes = figure.subplots()
    counts = sorted({count for curve in curves.values() for count in curve})
    places = np.arange(len(counts))
    for place, (name, curve) in enumerate(curves.items()):
        axes.errorbar(
            [counts.index(count) for count in curve],
            [100 * accuracy.mean for accuracy in curve.values()],
            yerr=[100 * accuracy.ci95 for accuracy in curve.values()],
            marker=MARKS[place],
            color=(GOOD, *COLOURS)[place],
            linestyle="-" if place == 0 else "--",
            capsize=3,
            label=name,
        )
    axes.axhline(100 * chance, color=QUIET, linestyle=":", label="guessing")
    axes.set_xticks(places, [str(count) for count in counts])
    axes.set(
        xlabel="examples of each intent",
        ylabel="questions understood, %",
        ylim=(0, 102),
        title=title,
    )
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="lower right")
    save_picture(figure, path)


def plot_map(
    taught: np.ndarray,
    labels: Sequence[str],
    path: str | Path,
    *,
    title: str,
    coloured: Sequence[str] | None = None,
    asked: np.ndarray | None = None,
    questions: Sequence[str] = (),
) -> None:
    """Draws sentences where a model puts them, seen from where intents differ most.

    Args:
        taught: vectors of the examples, `[examples, dim]`.
        labels: the intent of each.
        path: the PNG file to write.
        title: what is to be seen.
        coloured: intents to tell apart by colour, seven at most; the first ones if
            None. All others are grey.
        asked: vectors of questions, `[questions, dim]`.
        questions: the questions themselves; in the map they are numbers.
    """
    figure = new_figure(9.5, 5)
    axes = figure.subplots()
    view = _best_view(taught, labels)
    points = view(taught)
    told = list(dict.fromkeys(labels) if coloured is None else coloured)[: len(COLOURS)]
    others = [row for row, label in enumerate(labels) if label not in told]
    if others:
        x, y = points[others].T
        axes.scatter(x, y, s=25, color=QUIET, alpha=0.5, label="other intents")
    for place, name in enumerate(told):
        x, y = points[[row for row, label in enumerate(labels) if label == name]].T
        axes.scatter(
            x, y, s=70, marker=MARKS[place], color=COLOURS[place], alpha=0.9, label=name
        )
    places = np.zeros((0, 2)) if asked is None else view(asked)
    reach = np.ptp(np.concatenate([points, places]), axis=0) + 1e-9
    written = places_apart(places / reach, NUMBER_SIZE) * reach
    for number, (at, (x, y), question) in enumerate(
        zip(places, written, questions, strict=True), start=1
    ):
        # Numbers, for sentences written into the map would hide each other.
        axes.plot([at[0], x], [at[1], y], color="#222", linewidth=0.6)
        axes.scatter(x, y, s=80, marker=f"${number}$", color="#222", label=question)
    axes.set(xticks=[], yticks=[], title=title)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        fontsize=8,
        frameon=False,
        labelspacing=0.9,
    )
    save_picture(figure, path)


def plot_intents(report: "BotReport", path: str | Path, most: int = 30) -> None:
    """Draws how many of each intent's questions were recognised, the worst first.

    Args:
        report: of a bot.
        path: the PNG file to write.
        most: the intents that are shown.
    """
    shown = [r for r in report.intents if r.recognised.value is not None][:most]
    figure = new_figure(8, max(2.0, 0.6 + 0.28 * len(shown)))
    axes = figure.subplots()
    values = [100 * (r.recognised.value or 0) for r in shown]
    names = [f"{_short(r.intent)} ({r.recognised.of})" for r in shown]
    colours = [GOOD if value >= 80 else POOR for value in values]
    axes.barh(np.arange(len(shown)), values, color=colours)
    for place, value in enumerate(values):
        inside = value > 88
        axes.annotate(
            f"{value:.0f} %",
            (value, place),
            xytext=(-4 if inside else 4, 0),
            textcoords="offset points",
            ha="right" if inside else "left",
            va="center",
            fontsize=8,
            color="white" if inside else "black",
        )
    axes.set_yticks(np.arange(len(shown)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="questions recognised, % (number of questions)")
    save_picture(figure, path)


def plot_confidence(
    own: Sequence["Tried"], foreign: Sequence["Tried"], path: str | Path
) -> None:
    """Draws how sure the bot is of its own questions, and of those of none.

    Args:
        own: questions of the bot's intents.
        foreign: questions of none.
        path: the PNG file to write.
    """
    figure = new_figure(7, 3.2)
    axes = figure.subplots()
    bins = np.linspace(0, 1, 21).tolist()
    for tried, name, colour in (
        (own, "of its intents", GOOD),
        (foreign, "of none of them", POOR),
    ):
        if tried:
            axes.hist(
                [one.confidence for one in tried],
                bins=bins,
                weights=np.full(len(tried), 100 / len(tried)),
                alpha=0.6,
                color=colour,
                label=f"questions {name} ({len(tried)})",
            )
    axes.set(xlabel="probability of the likeliest intent", ylabel="% of questions")
    axes.legend(fontsize=8)
    save_picture(figure, path)


def _best_view(
    vectors: np.ndarray, labels: Sequence[str]
) -> Callable[[np.ndarray], np.ndarray]:
    """A projection to two dimensions: along what tells the intents' means apart."""
    named = np.array(labels)
    means = np.stack([vectors[named == name].mean(axis=0) for name in set(labels)])
    # Two intents span a line alone; what is left comes from the sentences themselves.
    base = means if len(means) > 2 else vectors
    centre = base.mean(axis=0)
    _, _, axes = np.linalg.svd(base - centre, full_matrices=False)
    return lambda some: (some - centre) @ axes[:2].T


def _short(name: str, most: int = 32) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
