"""From a fold's vectors to the rows of a learner."""

import numpy as np

from maml_tf.evaluation.vector_episodes import vector_episode_accuracies
from training.common.run import digest_of
from training.research.intents.benchmark_rows import (
    BenchmarkRows,
    RowSettings,
    make_row,
)
from training.research.intents.fold_learners import Benchmark, FoldVectors, fold_vectors
from training.research.intents.intent_data import IntentData
from training.research.intents.names import choose_name_weight, named_episode_accuracies

WITH_NAMES = "_with_names"
BASES = ("frozen", "whitened", "projection", "encoder", "encoder_projection")
LEARNERS = (*BASES, *(base + WITH_NAMES for base in BASES))


def row_settings(
    benchmark: Benchmark,
    dataset: str,
    fold: str,
    regime: str,
    learner: str,
    *,
    shots: tuple[int, ...],
    ways: int,
    episodes: int,
    judge_on: str = "test",
    queries: int = 5,
) -> list[RowSettings]:
    """What each row of one learner on one fold depends on, one for each of `shots`.

    Args:
        benchmark: what is the same for every fold.
        dataset, fold, regime: what to train and test on.
        learner: one of `LEARNERS`.
        shots: examples of each class.
        ways, queries: of a test episode.
        episodes: test episodes for each number of shots.
        judge_on: `test`, or `validation` for choosing settings.
    """
    base = learner.removesuffix(WITH_NAMES)
    projects, trains = base.endswith("projection"), base.startswith("encoder")
    return [
        RowSettings(
            dataset=dataset,
            fold=fold,
            regime=regime,
            learner=learner,
            shots=number,
            base_learner=benchmark.base_learner,
            pretrained=benchmark.pretrained,
            ways=ways,
            queries=queries,
            episodes=episodes,
            seed=benchmark.seed,
            judge_on=judge_on,
            first_layer=benchmark.first_layer,
            encoder=benchmark.encoder if trains else None,
            projection=benchmark.projection if projects else None,
            chosen_by=shots if projects or trains else (),
        )
        for number in shots
    ]


def run_fold(
    benchmark: Benchmark,
    data: IntentData,
    settings: list[RowSettings],
    rows: BenchmarkRows,
) -> None:
    """Measures the rows of a learner on a fold that the results file lacks.

    Args:
        benchmark: what is the same for every fold.
        data: of the data set.
        settings: of the rows, equal but for the number of shots; see `row_settings`.
        rows: the results file.
    """
    first = settings[0]
    content = data.content(first.fold, first.regime)
    digests = [digest_of(each, content) for each in settings]
    if all(rows.of(digest) for digest in digests):
        return
    print(first.dataset, first.fold, first.regime, first.learner, flush=True)
    vectors = fold_vectors(
        benchmark,
        data,
        first.fold,
        first.regime,
        first.learner.removesuffix(WITH_NAMES),
        tuple(each.shots for each in settings),
        first.ways,
    )
    for each, digest in zip(settings, digests, strict=True):
        if rows.of(digest):
            continue
        row = make_row(
            each,
            _accuracies(vectors, each),
            vectors.train_seconds,
            vectors.adapt_milliseconds[each.shots],
        )
        accuracy, half = 100 * row["accuracy"], 100 * row["ci95"]
        print(f"  {each.shots}-shot {accuracy:.2f} ± {half:.2f} %", flush=True)
        rows.keep(digest, [row])


def _accuracies(vectors: FoldVectors, settings: RowSettings) -> np.ndarray:
    options = {
        name: getattr(settings, name)
        for name in ("shots", "ways", "queries", "episodes", "seed")
    }
    name = settings.judge_on
    judged = (getattr(vectors, name), getattr(vectors, f"{name}_labels"))
    if not settings.learner.endswith(WITH_NAMES):
        return vector_episode_accuracies(*judged, **options)
    weight = choose_name_weight(
        vectors.validation, vectors.validation_labels, vectors.names, **options
    )
    return named_episode_accuracies(*judged, vectors.names, weight=weight, **options)
