"""The one exception of this package, and how others are quoted in it."""


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


def first_line(error: Exception) -> str:
    """The first line of an error of somebody else's, or its kind where it says nothing.

    Example:

    >>> first_line(ValueError("no such layer\\n at 0x7f")), first_line(KeyError())
    ('no such layer', 'KeyError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]
