"""Whether TensorFlow on a CPU multiplies through oneDNN; decided before it is loaded.

Left alone, TensorFlow does so where the processor has AVX-512 and not elsewhere. Who
has set TF_ENABLE_ONEDNN_OPTS has decided.
"""

import os


def without_onednn() -> None:
    """For a process that answers many requests, whose memory is to stay where it is.

    oneDNN makes a kernel for every shape that it meets, in every thread, and keeps up
    to a thousand of each kind: texts of all lengths make a server grow for hours.

    Example:

    >>> without_onednn()
    >>> os.environ["TF_ENABLE_ONEDNN_OPTS"] in ("0", "1")
    True
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def with_onednn() -> None:
    """For long training of convolutions, which it takes half the time for and less.

    Example:

    >>> with_onednn()
    >>> os.environ["TF_ENABLE_ONEDNN_OPTS"] in ("0", "1")
    True
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
