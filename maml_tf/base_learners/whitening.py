"""A closed-form metric: what varies within training classes counts for less."""

from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="maml_tf")
class WithinClassWhitening(keras.layers.Layer):
    """Centres vectors, divides by the spread within classes, scales to length 1.

    Within-class covariance normalisation (Hatch et al., Interspeech 2006): directions
    in which the texts of one training class differ say little about the class of a
    new one. `adapt` sets it in closed form, in milliseconds, from vectors of training
    classes; before that the layer only scales to length 1. Both weights may be trained
    from there on.

    Args:
        shrinkage: the multiple of the mean variance that is added to every direction;
            large values leave a mere centring.

    Call arguments:
        inputs: `[..., dim]`.

    Returns:
        `[..., dim]`, of length 1.

    Example:

    >>> layer = WithinClassWhitening(shrinkage=0.1)
    >>> layer.adapt(np.array([[1.0, 0], [1, 2], [3, 0], [3, 2]]), ["a", "a", "b", "b"])
    >>> [f"{x:.2f}" for x in np.asarray(layer(np.array([[3.0, 1.5]])))[0]]
    ['0.99', '0.11']
    """

    def __init__(self, shrinkage: float = 10.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if shrinkage <= 0:
            raise ValueError(
                f"shrinkage={shrinkage} must be positive, so that no direction is "
                "divided by zero."
            )
        self.shrinkage = shrinkage

    def build(self, input_shape: tuple) -> None:
        dim = input_shape[-1]
        self.centre = self.add_weight(shape=(dim,), initializer="zeros", name="centre")
        self.projection = self.add_weight(
            shape=(dim, dim), initializer="identity", name="projection"
        )

    def adapt(self, vectors: np.ndarray, labels: Any) -> None:
        """Sets centre and projection from `[examples, dim]` and a label each.

        Raises:
            ValueError: unless some class has two examples.
        """
        vectors = np.asarray(vectors, "float64")
        numbers = np.unique(np.asarray(labels), return_inverse=True)[1]
        counts = np.bincount(numbers)
        if counts.max() < 2:
            raise ValueError("Whitening needs a class with two examples or more.")
        means = np.stack(
            [vectors[numbers == c].mean(axis=0) for c in range(len(counts))]
        )
        residuals = vectors - means[numbers]
        within = residuals.T @ residuals / len(vectors)
        mean_variance = np.trace(within) / len(within)
        values, directions = np.linalg.eigh(within)
        spread = np.sqrt(values.clip(0) + self.shrinkage * mean_variance)
        # Symmetric, so that with much shrinkage it is close to the identity.
        projection = (directions / spread) @ directions.T
        if not self.built:
            self.build(vectors.shape)
            self.built: bool = True
        self.centre.assign(vectors.mean(axis=0))
        self.projection.assign(projection / np.trace(projection) * len(projection))

    def centre_on(self, vectors: np.ndarray) -> None:
        """Sets the centre to the mean of `[examples, dim]`, and leaves all else alone.

        Vectors of many encoders lie in a narrow cone (Ethayarajh, EMNLP 2019), so that
        all texts are alike; without their mean the differences show. The vectors need
        no labels, only to be of the language, and of the kind of texts, that will come.

        Example:

        >>> layer = WithinClassWhitening()
        >>> layer.centre_on(np.array([[3.0, 1], [3, -1]]))
        >>> [round(float(x), 3) for x in layer(np.array([[3.0, 0.5]]))[0]]
        [0.0, 1.0]
        """
        vectors = np.asarray(vectors, "float64")
        if not self.built:
            self.build(vectors.shape)
            self.built = True
        self.centre.assign(vectors.mean(axis=0))

    def call(self, inputs: Any) -> Any:
        moved = keras.ops.matmul(inputs - self.centre, self.projection)
        squares = keras.ops.sum(keras.ops.square(moved), axis=-1, keepdims=True)
        return moved * keras.ops.rsqrt(keras.ops.maximum(squares, 1e-24))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shrinkage": self.shrinkage}
