"""TF Serving's REST interface: predict, model status and metadata, as a WSGI app."""

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule, UnicodeConverter, ValidationError
from werkzeug.wrappers import Request, Response

from maml_tf.serving.front_page import front_page
from maml_tf.serving.metrics import Metrics
from maml_tf.serving.refusals import HTTP_STATUS, refusal
from maml_tf.serving.request_values import kind_of, read_json
from maml_tf.serving.served_versions import NotServed, ServedVersions
from maml_tf.serving.transports import to_json

PREFIX = "/v1/models/"


class _ModelName(UnicodeConverter):
    """`bot:predict` is no name, so that a GET of it is told of its method."""

    def to_python(self, value: str) -> str:
        if ":" in value:
            raise ValidationError
        return value


class RestService:
    """Answers REST requests from the versions that are served.

    `inputs` gives named columns and gets `outputs`; `instances` gives one task a row,
    to the signatures with a task axis, and gets `predictions`. Beside TF Serving's
    paths there are a page at `/`, `/health` and `/metrics`.
    """

    def __init__(self, versions: ServedVersions, metrics: Metrics) -> None:
        self.versions, self.metrics = versions, metrics
        model = f"{PREFIX}<model:name>"
        # A path means what it says: nothing is redirected.
        self.routes = Map(
            [
                Rule("/", endpoint=self._page, methods=["GET"]),
                Rule("/health", endpoint=self._health, methods=["GET"]),
                Rule("/metrics", endpoint=self._metrics, methods=["GET"]),
            ]
            + [
                Rule(f"{model}{version}{path}", endpoint=endpoint, methods=methods)
                for version in ("", "/versions/<int:version>")
                for path, endpoint, methods in (
                    ("", self._status, ["GET"]),
                    ("/metadata", self._metadata, ["GET"]),
                    (":predict", self._predict, ["POST"]),
                )
            ],
            converters={"model": _ModelName},
            merge_slashes=False,
            redirect_defaults=False,
        )

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        begin = time.monotonic()
        call, response = self._answer(Request(environ))
        seconds = time.monotonic() - begin
        self.metrics.answered("rest", call, str(response.status_code), seconds)
        return response(environ, start_response)

    def _answer(self, request: Request) -> tuple[str, Response]:
        """What is asked, as the metrics call it, and the answer."""
        call = "unknown"
        try:
            here = self.routes.bind("", path_info=request.path)
            endpoint, found = here.match(method=request.method)
            values = dict(found)
            call = endpoint.__name__.strip("_")
            if values.pop("name", self.versions.name) != self.versions.name:
                raise NotServed(f"The model served here is {self.versions.name}.")
            answer = endpoint(request, **values)
            return call, answer if isinstance(answer, Response) else _json(answer)
        except NotFound:
            known = f"{PREFIX}{self.versions.name}"
            return call, _refused(404, f"There is nothing here; see / and {known}.")
        except HTTPException as error:
            return call, _refused(error.code or 400, error.description or error.name)
        except Exception as error:
            code, sentence = refusal(error)
            return call, _refused(HTTP_STATUS.get(code, 500), sentence)

    def _page(self, request: Request) -> Response:
        page = front_page(self.versions, request.host_url.rstrip("/"))
        return Response(page, content_type="text/html; charset=utf-8")

    def _health(self, request: Request) -> Response:
        newest = self.versions.newest()
        found = {"status": "no version", "model": self.versions.name}
        if newest is None:
            return _json(found, 503)
        return _json({**found, "status": "ok", "version": newest})

    def _metrics(self, request: Request) -> Response:
        text, kind = self.metrics.as_text(self.versions.newest())
        return Response(text, content_type=kind)

    def _predict(self, request: Request, version: int | None = None) -> dict[str, Any]:
        body = _parsed(request.get_data())
        signature = body.get("signature_name", "")
        if not isinstance(signature, str):
            raise ValueError(
                f"signature_name must be a string, not {kind_of(signature)}."
            )
        by_row = "instances" in body
        given = _columns(body["instances"]) if by_row else body["inputs"]
        if not isinstance(given, dict) or given.keys() == {"b64"}:
            with self.versions.signature(signature, version) as (function, _):
                names = [*function.structured_input_signature[1]]
            if len(names) != 1:
                raise ValueError(f"Name the inputs: {', '.join(sorted(names))}.")
            given = {names[0]: given}
        outputs, _ = self.versions.run(given, read_json, signature, version)
        only = next(iter(outputs.values())) if len(outputs) == 1 else None
        if not by_row:
            columns = {name: to_json(value) for name, value in outputs.items()}
            return {"outputs": columns if only is None else to_json(only)}
        if only is not None:
            return {"predictions": to_json(only)}
        rows = {len(value) if value.ndim else None for value in outputs.values()}
        if rows != {len(body["instances"])}:
            raise ValueError(
                "The outputs have no row for each instance; ask with inputs, or a "
                "signature with a task axis."
            )
        return {
            "predictions": [
                {name: to_json(value[row]) for name, value in outputs.items()}
                for row in range(len(body["instances"]))
            ]
        }

    def _status(self, request: Request, version: int | None = None) -> dict[str, Any]:
        known = [
            {
                "version": str(number),
                "state": state,
                "status": {
                    "error_code": "UNKNOWN" if error else "OK",
                    "error_message": error,
                },
            }
            for number, state, error in self.versions.status()
            if version in (None, number)
        ]
        if not known:
            raise NotServed(f"{self.versions.name} has no version that is served.")
        return {"model_version_status": known}

    def _metadata(self, request: Request, version: int | None = None) -> dict[str, Any]:
        with self.versions.signature("", version) as (_, number):
            held = self.versions.signatures(number)
        described = {
            name: {
                "inputs": {
                    key: _tensor_info(spec)
                    for key, spec in function.structured_input_signature[1].items()
                },
                "outputs": {
                    key: _tensor_info(spec)
                    for key, spec in function.structured_outputs.items()
                },
                "method_name": "tensorflow/serving/predict",
            }
            for name, function in held.items()
        }
        return {
            "model_spec": {
                "name": self.versions.name,
                "signature_name": "",
                "version": str(number),
            },
            "metadata": {"signature_def": {"signature_def": described}},
        }


def _json(content: dict[str, Any], status: int = 200) -> Response:
    # Half a character of a client's comes back as JSON writes it, \udXXX.
    text = json.dumps(content, ensure_ascii=False).encode(errors="backslashreplace")
    return Response(text, status=status, content_type="application/json")


def _refused(status: int, sentence: str) -> Response:
    return _json({"error": sentence}, status)


def _parsed(body: bytes) -> dict[str, Any]:
    """The object that a body holds, which has inputs or instances."""
    try:
        parsed = json.loads(body, parse_constant=_no_number)
    except ValueError as error:
        raise ValueError(f"The body is not JSON: {error}") from error
    if not isinstance(parsed, dict) or ("inputs" in parsed) == ("instances" in parsed):
        raise ValueError("The body must be an object with inputs or instances.")
    return parsed


def _no_number(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _tensor_info(spec: Any) -> dict[str, Any]:
    sizes = [{"size": str(-1 if s is None else s), "name": ""} for s in spec.shape]
    return {
        "dtype": f"DT_{spec.dtype.name.upper().replace('FLOAT32', 'FLOAT')}",
        "tensor_shape": {"dim": sizes, "unknown_rank": False},
    }


def _columns(rows: Any) -> Any:
    """Rows of named values as named columns; rows without names as they are."""
    if not isinstance(rows, list) or not rows:
        raise ValueError("instances must be a list with an entry at least.")
    named = [row for row in rows if isinstance(row, dict) and row.keys() != {"b64"}]
    if not named:
        return rows
    if len(named) != len(rows) or any(row.keys() != rows[0].keys() for row in rows):
        raise ValueError("All instances must have the same names.")
    return {name: [row[name] for row in rows] for name in rows[0]}
