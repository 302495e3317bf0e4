"""The one exception of this package, and how others are quoted in it."""

from maml_tf.first_line import first_line

__all__ = ["BaseLearnerError", "first_line"]


class BaseLearnerError(ValueError):
    """A base learner cannot be made, loaded or used as asked.

    The message is one sentence that names what is wrong, followed where it helps by
    what would have been accepted.

    Example:

    >>> raise BaseLearnerError("There is no preset 'bart_simpson'.")
    Traceback (most recent call last):
    ...
    maml_tf.base_learners.errors.BaseLearnerError: There is no preset 'bart_simpson'.
    """
