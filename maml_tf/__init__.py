"""Meta-learning for chatbots in TensorFlow and Keras."""

__version__ = "0.1.0"
