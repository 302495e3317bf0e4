"""Requests with one fault each, made of good ones."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Inputs = dict[str, Any]
TOO_LONG = "a" * 20_000


class Http(NamedTuple):
    """What goes over a connection of HTTP."""

    path: str
    body: bytes
    method: str = "POST"
    headers: Mapping[str, str] = {}


def _first(inputs: Inputs) -> str:
    """The input that holds texts or dialogues."""
    names = ("query_texts", "support_texts", "turns", "dialogues")
    return next(name for name in names if name in inputs)


def _with_text(inputs: Inputs, text: Any) -> Inputs:
    """Another text in place of the first."""
    name = _first(inputs)
    rows = inputs[name]
    if name == "dialogues":
        return {**inputs, name: [[text, *rows[0][1:]], *rows[1:]]}
    return {**inputs, name: [text, *rows[1:]]}


def _without(inputs: Inputs, name: str) -> Inputs:
    return {key: value for key, value in inputs.items() if key != name}


def _state(inputs: Inputs, state: list[float]) -> Inputs:
    """Another state, where there is one; else an input that no signature has."""
    return {**inputs, "state" if "state" in inputs else "more": state}


# Of both interfaces.
INPUTS: dict[str, Callable[[Inputs], Inputs]] = {
    "an input is missing": lambda inputs: _without(inputs, _first(inputs)),
    "an input too many": lambda inputs: {**inputs, "more": ["a"]},
    "an empty text": lambda inputs: _with_text(inputs, ""),
    "a text too long": lambda inputs: _with_text(inputs, TOO_LONG),
    "the wrong rank": lambda inputs: {**inputs, _first(inputs): "a"},
    "no text at all": lambda inputs: {**inputs, _first(inputs): []},
    "a state cut short": lambda inputs: _state(
        inputs, inputs.get("state", [])[:5] or [1.0]
    ),
    "a state of another model": lambda inputs: _state(inputs, [1.0, 2.0, 3.0] * 50),
}
# What only JSON can say.
VALUES: dict[str, Callable[[Inputs], Inputs]] = {
    "null as a text": lambda inputs: _with_text(inputs, None),
    "a number as a text": lambda inputs: _with_text(inputs, 7),
    "a text that is not UTF-8": lambda inputs: _with_text(inputs, {"b64": "/w=="}),
    "lists that are not rectangular": lambda inputs: _with_text(inputs, ["a", "b"]),
}


def http_faults(path: str, body: bytes) -> dict[str, Http]:
    """Requests of which more than the inputs is wrong.

    Args:
        path: of a signature's calls.
        body: of a good request.
    """
    return {
        "a body that is no JSON": Http(path, b"lamp on"),
        "a body cut off": Http(path, body[: len(body) // 2]),
        "a body without inputs": Http(path, b'{"texts": ["a"]}'),
        "NaN in the body": Http(path, b'{"inputs": {"texts": [NaN]}}'),
        "another method": Http(path, b"", "GET"),
        "another model": Http(path.replace("/models/", "/models/no"), body),
        "another page": Http("/v2", body),
        "a body too large": Http(path, b"", headers={"Content-Length": "900000000"}),
        "a header too large": Http(path, body, headers={"X-More": "a" * 300_000}),
        "a length that is none": Http(path, b"", headers={"Content-Length": "many"}),
        "an unknown encoding": Http(path, b"", headers={"Transfer-Encoding": "gzip"}),
    }
