"""From a fold's vectors to the rows of a learner."""

import numpy as np

from maml_tf.evaluation.vector_episodes import vector_episode_accuracies
from training.research.intents.benchmark_rows import Row, make_row
from training.research.intents.fold_learners import Benchmark, FoldVectors, fold_vectors
from training.research.intents.intent_data import IntentData
from training.research.intents.names import choose_name_weight, named_episode_accuracies

WITH_NAMES = "_with_names"
BASES = ("frozen", "whitened", "projection", "encoder", "encoder_projection")
LEARNERS = (*BASES, *(base + WITH_NAMES for base in BASES))


def fold_rows(
    benchmark: Benchmark,
    data: IntentData,
    fold: str,
    regime: str,
    learner: str,
    *,
    shots: tuple[int, ...],
    ways: int,
    episodes: int,
    judge_on: str = "test",
) -> list[Row]:
    """The rows of one learner on one fold, one for each number of shots.

    Args:
        benchmark: what is the same for every fold.
        data: of the data set.
        fold, regime: what to train and test on.
        learner: one of `LEARNERS`.
        shots: examples of each class.
        ways: classes in a test episode.
        episodes: test episodes for each number of shots.
        judge_on: `test`, or `validation` for choosing settings.
    """
    base = learner.removesuffix(WITH_NAMES)
    vectors = fold_vectors(benchmark, data, fold, regime, base, shots, ways)
    rows = []
    for number in shots:
        options = {
            "shots": number,
            "ways": ways,
            "episodes": episodes,
            "seed": benchmark.encoder.seed,
        }
        rows.append(
            make_row(
                _accuracies(vectors, judge_on, learner.endswith(WITH_NAMES), **options),
                dataset=data.name,
                fold=fold,
                regime=regime,
                learner=learner,
                shots=number,
                train_seconds=round(vectors.train_seconds, 1),
                adapt_milliseconds=round(vectors.adapt_milliseconds[number], 1),
            )
        )
        accuracy, half = (100 * rows[-1][name] for name in ("accuracy", "ci95"))
        print(f"  {number}-shot {accuracy:.2f} ± {half:.2f} %", flush=True)
    return rows


def _accuracies(
    vectors: FoldVectors, judge_on: str, with_names: bool, **options
) -> np.ndarray:
    judged = (getattr(vectors, judge_on), getattr(vectors, f"{judge_on}_labels"))
    if not with_names:
        return vector_episode_accuracies(*judged, **options)
    weight = choose_name_weight(
        vectors.validation, vectors.validation_labels, vectors.names, **options
    )
    return named_episode_accuracies(*judged, vectors.names, weight=weight, **options)
