"""What keeps the memory of a process that answers many requests where it is."""

import os


def keep_no_kernels() -> None:
    """Lets TensorFlow multiply without oneDNN; to be called before it is loaded.

    oneDNN makes a kernel for every shape that it meets, in every thread, and keeps up
    to a thousand of each kind: texts of all lengths make a server grow for hours. Who
    has set TF_ENABLE_ONEDNN_OPTS has decided.

    Example:

    >>> keep_no_kernels()
    >>> os.environ["TF_ENABLE_ONEDNN_OPTS"] in ("0", "1")
    True
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
