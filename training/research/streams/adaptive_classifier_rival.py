"""adaptive-classifier from the package index, over the very vectors of all others.

Prototypes and a small neural head, blended, which is trained on every `add_examples`
with elastic weight consolidation. Needs the extra `bench`.
"""

from typing import Any

import numpy as np


class AdaptiveClassifierRival:
    """The package with its defaults; only its encoder is replaced.

    Args:
        directory: of any Hugging Face encoder of the vectors' width, which the package
            wants to load.
        intents: how many there are in the whole stream.
    """

    def __init__(self, directory: str, intents: int) -> None:
        import torch
        from adaptive_classifier import AdaptiveClassifier

        vectors: dict[str, np.ndarray] = {}

        class OverVectors(AdaptiveClassifier):
            def _get_embeddings(self, texts: list[str]) -> list[Any]:
                return [torch.tensor(vectors[text]) for text in texts]

        self.vectors, self.intents = vectors, intents
        self.classifier = OverVectors(directory, device="cpu", use_onnx=False)

    def teach(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        names = self._named(vectors)
        self.classifier.add_examples(names, [str(label) for label in labels])

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        found = np.full((len(vectors), self.intents), -np.inf)
        answers = self.classifier.predict_batch(self._named(vectors), k=self.intents)
        for row, answer in enumerate(answers):
            for label, score in answer:
                found[row, int(label)] = score
        return found

    def held(self) -> int:
        memory, head = self.classifier.memory, self.classifier.adaptive_head
        examples = sum(map(len, memory.examples.values())) + len(memory.prototypes)
        weights = sum(p.numel() for p in head.parameters())
        return examples * self.classifier.embedding_dim + weights

    def _named(self, vectors: np.ndarray) -> list[str]:
        names = [str(len(self.vectors) + n) for n in range(len(vectors))]
        self.vectors.update(zip(names, vectors.astype("float32"), strict=True))
        return names
