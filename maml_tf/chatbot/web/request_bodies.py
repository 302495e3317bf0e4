"""What a browser sends: limited in size, and checked to be what it has to be."""

import json
from typing import Any

from starlette.requests import Request

from maml_tf.serving import RequestError

LARGEST_CALL = 2**20  # bytes of JSON
LARGEST_FILE = 10 * 2**20  # bytes of an imported file
# A browser that is refused before it has sent all sees a broken connection instead of
# the refusal; so what is too large is read and forgotten, up to a point.
FORGOTTEN = 8


class Refused(RequestError):
    """A request that is refused with a status other than 400."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Fields:
    """The values of a call, by name; a wrong one is refused in a sentence.

    Example:

    >>> fields = Fields({"text": "hello", "examples": ["a", 2]})
    >>> fields.text("text")
    'hello'
    >>> fields.texts("examples")
    Traceback (most recent call last):
    maml_tf.serving.results.RequestError: examples[1] has to be a text.
    """

    def __init__(self, values: Any) -> None:
        if not isinstance(values, dict):
            raise RequestError("The call has to be a JSON object.")
        self.values = values

    def text(self, name: str) -> str:
        """A string that UTF-8 can write; an empty one is the chatbot's to judge."""
        return _text(self.values.get(name), name)

    def texts(self, name: str) -> list[str]:
        """A list of strings, empty where there is none."""
        values = self.values.get(name, [])
        if not isinstance(values, list):
            raise RequestError(f"{name} has to be a list of texts.")
        return [_text(value, f"{name}[{i}]") for i, value in enumerate(values)]

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise RequestError(f"{name} has to be true or false.")
        return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise RequestError(f"{name} has to be a text.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RequestError(f"{name} holds half a character; write it anew.") from None
    return value


async def read_fields(request: Request) -> Fields:
    """The call that a request's body holds.

    Raises:
        RequestError: if the body is too large, or no JSON object.
    """
    _check_type(request, "application/json")
    body = await read_body(request, LARGEST_CALL)
    try:
        return Fields(json.loads(body))
    except RecursionError:
        raise RequestError("The call is nested too deeply.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RequestError(f"The call is no JSON: {error}.") from None


async def read_file(request: Request) -> bytes:
    """The file that a request's body is."""
    # No form can send this type, so no other site's page can without asking first.
    _check_type(request, "application/octet-stream")
    return await read_body(request, LARGEST_FILE)


def _check_type(request: Request, wanted: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        raise Refused(415, f"The content type has to be {wanted}, not {given!r}.")


async def read_body(request: Request, most: int) -> bytes:
    """The body, kept up to `most` bytes.

    Raises:
        Refused: if it is larger.
    """
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= most:
            pieces.append(piece)
        else:
            pieces.clear()
        if size > most * FORGOTTEN:
            break
    if size > most:
        raise Refused(413, f"That is too large: up to {in_words(most)} can be sent.")
    return b"".join(pieces)


def in_words(size: int) -> str:
    """Bytes as people say them.

    Example:

    >>> in_words(2**20), in_words(10 * 2**20)
    ('1 MB', '10 MB')
    """
    return f"{size / 2**20:.0f} MB"
