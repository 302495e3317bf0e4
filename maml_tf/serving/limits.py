"""How large a request may be."""

from dataclasses import dataclass

# In bytes, of a request as it is sent. A state of a model's weights fits in.
LARGEST_REQUEST = 100 * 2**20


@dataclass(frozen=True)
class Limits:
    """The largest request that is worked on; a larger one is refused.

    Args:
        examples: support examples of one task.
        queries: query texts of one task.
        text_bytes: length of one text or label in bytes of UTF-8.
        tasks: tasks in one request to a signature with a task axis.

    Raises:
        ValueError: if a limit is less than 1, or fewer than two examples may be given.

    Example:

    >>> Limits(queries=0)
    Traceback (most recent call last):
    ...
    ValueError: The limit queries must be 1 or more, not 0.
    """

    examples: int = 1000
    queries: int = 1000
    text_bytes: int = 10_000
    tasks: int = 64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 2 if name == "examples" else 1
            if int(value) != value or value < least:
                raise ValueError(
                    f"The limit {name} must be {least} or more, not {value}."
                )
