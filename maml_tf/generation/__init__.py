"""Text from a causal language model, in the graph and under adapted weights."""

from maml_tf.generation.generator import Generated, Generator
from maml_tf.generation.sampling import Sampling

__all__ = ["Generated", "Generator", "Sampling"]
