"""What is compared on a stream, all over the same frozen vectors.

Each is taught `(vectors, labels)` of one arrival after another and then scores vectors
for all intents of the stream, `[questions, intents]`; intents that it was not taught
score minus infinity.
"""

from collections.abc import Callable
from typing import Protocol

import keras
import numpy as np

from maml_tf.evaluation.memories import Reservoir, herd
from maml_tf.learners import PrototypicalNetwork
from training.research.streams.softmax_head import SoftmaxHead


class ContinualLearner(Protocol):
    """Learns one arrival after another."""

    def teach(self, vectors: np.ndarray, labels: np.ndarray) -> None: ...

    def scores(self, vectors: np.ndarray) -> np.ndarray: ...

    def held(self) -> int:
        """How many numbers it keeps, of four bytes each."""


class Stored:
    """Keeps examples, by a rule for each intent, and answers by their prototypes.

    With all examples kept this is the bot as it is: `Bot` and the export adapt to all
    that was taught, by the mean direction of each intent's examples.

    Args:
        intents: how many there are in the whole stream.
        choose: from the vectors of an intent to the numbers of those that are kept.
    """

    def __init__(
        self, intents: int, choose: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> None:
        self.intents, self.choose = intents, choose
        self.kept: dict[int, np.ndarray] = {}

    def teach(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        for label in np.unique(labels):
            own = vectors[labels == label]
            if label in self.kept:
                own = np.concatenate([self.kept[label], own])
            self.kept[label] = own if self.choose is None else own[self.choose(own)]

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        found = np.full((len(vectors), self.intents), -np.inf)
        asked = self.transform(vectors)
        for label, own in self.kept.items():
            total = self.transform(own).sum(axis=0)
            found[:, label] = asked @ (total / np.linalg.norm(total))
        return found

    def transform(self, vectors: np.ndarray) -> np.ndarray:
        return vectors

    def held(self) -> int:
        return sum(own.size for own in self.kept.values())


def herding(intents: int, size: int) -> Stored:
    """The prototypes of the best few examples of each intent."""
    return Stored(intents, lambda own: herd(own, size))


class WithNames:
    """Takes the name of an intent for one more example of it, as the bot does.

    Args:
        learner: is taught the names, each with its intent's first examples.
        names: the vectors of all names, `[intents, dim]`.
    """

    def __init__(self, learner: ContinualLearner, names: np.ndarray) -> None:
        self.learner, self.names = learner, names
        self.known: set[int] = set()

    def teach(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        new: list[int] = sorted(set(np.unique(labels).tolist()) - self.known)
        self.known.update(new)
        self.learner.teach(
            np.concatenate([vectors, self.names[new]]),
            np.concatenate([labels, np.array(new, labels.dtype)]),
        )

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        return self.learner.scores(vectors)

    def held(self) -> int:
        return self.learner.held()


class NearestExample(Stored):
    """The intent of the nearest taught example."""

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        found = np.full((len(vectors), self.intents), -np.inf)
        for label, own in self.kept.items():
            found[:, label] = (vectors @ own.T).max(axis=1)
        return found


class OnlineMetaLearner(Stored):
    """Follows the meta-leader (Finn et al. 2019, arXiv 1902.08438).

    All that it was taught is a buffer of tasks; after each arrival a linear map of the
    vectors, at first the identity, is meta-trained some steps on tasks drawn from the
    whole buffer, and then all is learned anew over what it makes of the examples.
    """

    def __init__(self, intents: int, dim: int, seed: int, steps: int = 30) -> None:
        super().__init__(intents)
        keras.utils.set_random_seed(seed)
        self.map = keras.layers.Dense(
            dim, use_bias=False, kernel_initializer="identity"
        )
        encoder = keras.Sequential([keras.Input((dim,)), self.map])
        self.learner = PrototypicalNetwork(encoder, distance="cosine", scale=10.0)
        # Of a few steps of one small product: to trace it for every new learner, and
        # every number of ways, would take many times as long as they do.
        self.learner.compile(keras.optimizers.Adam(1e-4), run_eagerly=True)
        self.steps, self.random = steps, np.random.default_rng(seed)

    def teach(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        super().teach(vectors, labels)
        many = {k: own for k, own in self.kept.items() if len(own) > 1}
        if len(many) < 2:
            return
        ways = min(15, len(many))
        for _ in range(self.steps):
            chosen = self.random.choice(list(many), ways, replace=False)
            pairs = [self.random.permutation(many[label])[:4] for label in chosen]
            half = min(len(pair) for pair in pairs) // 2
            support = np.stack([pair[:half] for pair in pairs])
            query = np.stack([pair[half : 2 * half] for pair in pairs])
            numbers = np.repeat(np.arange(ways), half)[np.newaxis]
            x = {
                "support_inputs": support.reshape(1, ways * half, -1),
                "support_targets": numbers,
                "query_inputs": query.reshape(1, ways * half, -1),
            }
            self.learner.train_on_batch(x, numbers)

    def transform(self, vectors: np.ndarray) -> np.ndarray:
        mapped = vectors @ self.map.kernel.numpy()
        return mapped / np.linalg.norm(mapped, axis=1, keepdims=True)

    def held(self) -> int:
        return super().held() + int(np.prod(self.map.kernel.shape))


class FineTuned:
    """A softmax head that goes on learning, on the new examples alone or with old ones.

    Args:
        intents: how many there are in the whole stream.
        dim: the width of the vectors.
        memory: how many old examples a reservoir holds to be replayed; none for
            sequential fine-tuning.
        seed: fixes the reservoir.
    """

    def __init__(self, intents: int, dim: int, memory: int = 0, seed: int = 0) -> None:
        self.head = SoftmaxHead(intents, dim)
        self.reservoir = Reservoir(memory, seed) if memory else None
        self.vectors, self.labels = np.zeros((0, dim)), np.zeros(0, int)

    def teach(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        if self.reservoir is None:
            self.head.learn(vectors, labels)
            return
        before = len(self.labels)
        self.vectors = np.concatenate([self.vectors, vectors])
        self.labels = np.concatenate([self.labels, labels])
        old = self.reservoir.held
        self.head.learn(
            np.concatenate([vectors, self.vectors[old]]),
            np.concatenate([labels, self.labels[old]]),
        )
        self.reservoir.add(np.arange(before, len(self.labels)))

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        return self.head.scores(vectors)

    def held(self) -> int:
        old = len(self.reservoir.held) if self.reservoir else 0
        return old * self.vectors.shape[1] + self.head.kernel.size


class Joint:
    """The ceiling: a new softmax head on all that was ever taught, at every arrival."""

    def __init__(self, intents: int, dim: int) -> None:
        self.intents, self.dim = intents, dim
        self.stored = Stored(intents)

    def teach(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        self.stored.teach(vectors, labels)
        kept = self.stored.kept
        self.head = SoftmaxHead(self.intents, self.dim)
        self.head.learn(
            np.concatenate(list(kept.values())),
            np.repeat(list(kept), [len(own) for own in kept.values()]),
        )

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        return self.head.scores(vectors)

    def held(self) -> int:
        return self.stored.held() + self.head.kernel.size
