"""The first line of an error, which need not have one."""


def first_line(error: BaseException) -> str:
    """What an error says, in one line; its type where it says nothing.

    Example:

    >>> first_line(ValueError("no room\\nfor more")), first_line(KeyboardInterrupt())
    ('no room', 'KeyboardInterrupt')
    """
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
