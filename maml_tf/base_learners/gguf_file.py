"""A GGUF file, llama.cpp's format of one file with settings, vocabulary and weights.

Reading is the `gguf` package's; here are what is asked of a file and the sentences
for one that is broken.
"""

import os
import pathlib
from typing import Any

import gguf
import numpy as np

from maml_tf.base_learners.errors import BaseLearnerError, first_line


class GGUFFile:
    """Settings and weights of one GGUF file.

    Weights are read and dequantised when they are asked for.

    Args:
        path: The file.

    Raises:
        BaseLearnerError: There is no such file, it is no GGUF file or it is cut short.

    Example:

    >>> GGUFFile("no-such-file.gguf")
    Traceback (most recent call last):
    ...
    maml_tf.base_learners.errors.BaseLearnerError: There is no file
    'no-such-file.gguf'; a GGUF file is given as 'gguf:FILE'.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = pathlib.Path(path)
        _check_magic(self.path)
        try:
            self._reader = _Reader(str(self.path))
        except Exception as error:
            # The reader slices a memory map without checking its bounds: the errors of
            # NumPy that this gives depend on where the file ends.
            raise BaseLearnerError(
                f"The GGUF file {str(self.path)!r} cannot be read; it is probably cut "
                f"short ({type(error).__name__}: {first_line(error)}). Copy or "
                "download it again."
            ) from error
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}

    def setting(self, key: str, default: Any = None) -> Any:
        """A setting by its name.

        Args:
            key: Such as "llama.block_count".
            default: What is returned where the file does not have it.

        Returns:
            A number, text, truth value or list of these; `default` where it lacks.
        """
        field = self._reader.get_field(key)
        return default if field is None else field.contents()

    def required(self, key: str) -> Any:
        """A setting that the file must have.

        Raises:
            BaseLearnerError: It does not.
        """
        value = self.setting(key)
        if value is None:
            raise BaseLearnerError(
                f"The GGUF file {str(self.path)!r} lacks the setting {key!r}."
            )
        return value

    def has_tensor(self, name: str) -> bool:
        """Whether the file holds a tensor of this name."""
        return name in self._tensors

    def tensor(self, name: str) -> np.ndarray:
        """A tensor, dequantised.

        Args:
            name: Such as "blk.0.attn_q.weight".

        Returns:
            float32, of the shape that NumPy and PyTorch give it: [outputs, inputs] for
            a matrix.

        Raises:
            BaseLearnerError: There is none of this name, or the `gguf` package cannot
                dequantise it.
        """
        if name not in self._tensors:
            raise BaseLearnerError(
                f"The GGUF file {str(self.path)!r} lacks the tensor {name!r}."
            )
        found = self._tensors[name]
        try:
            values = gguf.quants.dequantize(found.data, found.tensor_type)
        except NotImplementedError as error:
            raise BaseLearnerError(
                f"The tensor {name!r} of the GGUF file {str(self.path)!r} is stored as "
                f"{found.tensor_type.name}, which the `gguf` package does not "
                "dequantise; take a file quantised as Q4_0, Q4_1, Q8_0, F16 or F32."
            ) from error
        return np.asarray(values, "float32")


class _Reader(gguf.GGUFReader):
    """A reader that slices a plain view of its memory map.

    A vocabulary is read in a million slices, each of which costs NumPy's memory maps
    several times what it costs other arrays.
    """

    @property
    def data(self) -> Any:
        return self._plain

    @data.setter
    def data(self, mapped: Any) -> None:
        self._plain = np.asarray(mapped)


def _check_magic(path: pathlib.Path) -> None:
    """Raises a `BaseLearnerError` unless the file starts as a GGUF file does."""
    if not path.is_file():
        raise BaseLearnerError(
            f"There is no file {str(path)!r}; a GGUF file is given as 'gguf:FILE'."
        )
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise BaseLearnerError(
            f"The file {str(path)!r} cannot be read ({error.strerror})."
        ) from error
    if start != b"GGUF":
        raise BaseLearnerError(
            f"The file {str(path)!r} is no GGUF file; its first four bytes are not "
            "'GGUF'."
        )
