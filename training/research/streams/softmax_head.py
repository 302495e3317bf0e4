"""A linear softmax head over unit vectors that grows with the intents it is taught."""

import numpy as np

SCALE = 10.0


class SoftmaxHead:
    """Learns by Adam on whole batches, from the prototypes of intents that are new.

    Args:
        intents: how many there will be.
        dim: the width of the vectors.
        steps: of Adam in every `learn`.
        learning_rate: of Adam.
    """

    def __init__(
        self, intents: int, dim: int, steps: int = 100, learning_rate: float = 0.005
    ) -> None:
        self.kernel = np.zeros((intents, dim))
        self.known = np.zeros(intents, bool)
        self.steps, self.learning_rate = steps, learning_rate

    def learn(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        """Takes the steps on these examples, among all intents known so far."""
        for label in np.unique(labels[~self.known[labels]]):
            total = vectors[labels == label].sum(axis=0)
            self.kernel[label] = total / np.linalg.norm(total)
            self.known[label] = True
        first, second = np.zeros_like(self.kernel), np.zeros_like(self.kernel)
        for step in range(1, self.steps + 1):
            logits = SCALE * self.scores(vectors)
            chances = np.exp(logits - logits.max(axis=1, keepdims=True))
            chances /= chances.sum(axis=1, keepdims=True)
            chances[np.arange(len(labels)), labels] -= 1
            gradient = SCALE * chances.T @ vectors / len(labels)
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            size = np.sqrt(second / (1 - 0.999**step)) + 1e-8
            self.kernel -= self.learning_rate * first / (1 - 0.9**step) / size

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Of every intent, minus infinity of those that are not known."""
        return np.where(self.known, vectors @ self.kernel.T, -np.inf)
