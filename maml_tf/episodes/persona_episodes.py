"""Tasks of dialogues: learn a person from some of their dialogues, judge by others."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.dataset import prefetched
from maml_tf.episodes.dialogue_tokens import LENGTHS, EncodedDialogues
from maml_tf.text_lengths import bucket_for


def persona_episodes(
    encoded: EncodedDialogues,
    *,
    support: int | tuple[int, int],
    query: int,
    tasks_per_batch: int = 4,
    seed: int = 0,
    steps: int | None = None,
    start_step: int = 0,
) -> tf.data.Dataset:
    """Batches of tasks `(x, y)`, a person each, for a `MetaLearner`.

    Inputs are `{"token_ids", "padding_mask"}` `[tasks, dialogues, length]` and
    `"places"` `[tasks, dialogues, asked]`, the tokens that the person said; targets
    their weights, `[tasks, dialogues, asked]`.

    Args:
        encoded: the dialogues.
        support: dialogues to learn from, or the least and the most of them; one number
            is drawn for all tasks of a batch, whose people are those who have as many.
        query: dialogues to be judged by.
        tasks_per_batch: people in a batch.
        seed: a batch is a function of the seed and its number.
        steps: batches in all; None for no end.
        start_step: number of the first batch.

    Raises:
        CorpusError: if too few people have the most dialogues that may be asked for.
    """
    least, most = (support, support) if isinstance(support, int) else support
    people_with = {
        shots: [rows for rows in encoded.rows_of_groups if len(rows) >= shots + query]
        for shots in range(least, most + 1)
    }
    if len(people_with[most]) < tasks_per_batch:
        raise CorpusError(
            f"A batch of {tasks_per_batch} people with {most} + {query} dialogues "
            f"each cannot be drawn: {len(people_with[most])} of "
            f"{len(encoded.rows_of_groups)} people have so many; ask for fewer "
            "dialogues or give more."
        )

    def batches() -> Iterator[Any]:
        step = start_step
        while steps is None or step < start_step + steps:
            random = np.random.default_rng((seed, step))
            shots = int(random.integers(least, most + 1))
            usable = people_with[shots]
            people = random.choice(len(usable), tasks_per_batch, replace=False)
            drawn = np.stack(
                [random.permutation(usable[p])[: shots + query] for p in people]
            )
            length = bucket_for(int(encoded.lengths[drawn].max()), LENGTHS)
            inputs, targets = encoded.batch(drawn[:, :shots], length)
            queries, judged = encoded.batch(drawn[:, shots:], length)
            x = {
                "support_inputs": inputs,
                "support_targets": targets,
                "query_inputs": queries,
            }
            yield x, judged
            step += 1

    def spec(kind: Any) -> tf.TensorSpec:
        return tf.TensorSpec((tasks_per_batch, None, None), kind)

    names = ("token_ids", "padding_mask", "places")
    inputs = {name: spec("int32") for name in names}
    signature = (
        {
            "support_inputs": inputs,
            "support_targets": spec("float32"),
            "query_inputs": inputs,
        },
        spec("float32"),
    )
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    size = tf.data.INFINITE_CARDINALITY if steps is None else steps
    return prefetched(dataset.apply(tf.data.experimental.assert_cardinality(size)))
