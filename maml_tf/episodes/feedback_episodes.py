"""Tasks of feedback: learn a taste from a few judgements, be judged by others."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.dataset import prefetched
from maml_tf.episodes.reply_pool import ReplyPool
from maml_tf.episodes.simulated_users import User, draw_pairs

# Users who are drawn until one tells enough replies apart.
_MOST_USERS = 20

DrawUser = Callable[[np.random.Generator], User]


class EncodedReplies(Protocol):
    """Replies as tensors, by number."""

    def batch(self, rows: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Inputs `[..., length]` and weights of tokens, 1 for those of the reply."""


class FeedbackTask(NamedTuple):
    """What a user judged, the liked reply first: to learn from, and to be judged by.

    Attributes:
        user: whose taste.
        support, query: numbers of replies `[pairs, 2]`.
        thumbs: for each support pair, which of its replies gets the thumb where
            feedback comes as single thumbs; 0 is a thumb up.
    """

    user: User
    support: np.ndarray
    query: np.ndarray
    thumbs: np.ndarray


def draw_feedback_task(
    pool: ReplyPool,
    draw_user: DrawUser,
    *,
    support: int,
    query: int,
    random: np.random.Generator,
) -> FeedbackTask:
    """One user's task.

    Raises:
        CorpusError: if the pool has too few replies that users tell apart: one after
            the other is drawn, and none has pairs enough.
    """
    for left in reversed(range(_MOST_USERS)):
        user = draw_user(random)
        try:
            pairs = draw_pairs(
                user, pool.replies, pool.context_of, support + query, random
            )
            break
        except CorpusError:
            if not left:
                raise
    # Of a few thumbs about half are up.
    thumbs = (np.arange(support) + random.integers(2)) % 2
    return FeedbackTask(user, pairs[:support], pairs[support:], thumbs)


def feedback(
    encoded: EncodedReplies, pairs: np.ndarray, thumbs: np.ndarray | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Inputs and targets of pairs, as the losses of preferences take them.

    Args:
        encoded: the replies.
        pairs: numbers of replies `[..., 2]`, the liked one first.
        thumbs: `[...]`, which reply of each pair alone is given, or None for both.

    Returns:
        Inputs `[..., replies, length]` and targets `[..., replies, scored]`, 1 for the
        tokens of liked replies and -1 for those of others; two replies, or one.
    """
    signs = np.broadcast_to(np.array([1, -1], "float32"), pairs.shape)
    if thumbs is not None:
        places = thumbs[..., np.newaxis]
        pairs = np.take_along_axis(pairs, places, -1)
        signs = np.take_along_axis(signs, places, -1)
    inputs, weights = encoded.batch(pairs)
    return inputs, weights * signs[..., np.newaxis]


def feedback_episodes(
    pool: ReplyPool,
    encoded: EncodedReplies,
    draw_user: DrawUser,
    *,
    support: tuple[int, int],
    query: int,
    tasks_per_batch: int = 2,
    thumbs: bool = False,
    seed: int = 0,
    steps: int | None = None,
    start_step: int = 0,
) -> tf.data.Dataset:
    """Batches of tasks `(x, y)`, a user each, for a `MetaLearner`.

    Args:
        pool: the replies.
        encoded: the same as tensors.
        draw_user: from a generator of random numbers to a user.
        support: the least and the most pieces of feedback to learn from; one number is
            drawn for all tasks of a batch.
        query: pairs to be judged by.
        tasks_per_batch: users in a batch.
        thumbs: the support set is of single thumbs and not of pairs.
        seed: a batch is a function of the seed and its number.
        steps: batches in all; None for no end.
        start_step: number of the first batch.
    """
    least, most = support

    def batch(step: int) -> Any:
        random = np.random.default_rng((seed, step))
        shots = int(random.integers(least, most + 1))
        tasks = [
            draw_feedback_task(
                pool, draw_user, support=shots, query=query, random=random
            )
            for _ in range(tasks_per_batch)
        ]
        up = np.stack([task.thumbs for task in tasks]) if thumbs else None
        pairs = np.stack([task.support for task in tasks])
        inputs, targets = feedback(encoded, pairs, up)
        asked, judged = feedback(encoded, np.stack([task.query for task in tasks]))
        x = {
            "support_inputs": inputs,
            "support_targets": targets,
            "query_inputs": asked,
        }
        return x, judged

    def batches() -> Iterator[Any]:
        step = start_step
        while steps is None or step < start_step + steps:
            yield batch(step)
            step += 1

    def spec(array: np.ndarray) -> tf.TensorSpec:
        return tf.TensorSpec((tasks_per_batch, None, *array.shape[2:]), array.dtype)

    signature = tf.nest.map_structure(spec, batch(start_step))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    size = tf.data.INFINITE_CARDINALITY if steps is None else steps
    return prefetched(dataset.apply(tf.data.experimental.assert_cardinality(size)))
