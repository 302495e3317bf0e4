"""TF Serving's REST interface: predict, model status and metadata, as a WSGI app."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from maml_tf.serving.served_versions import NotServed, ServedVersions
from maml_tf.serving.transports import code_name, from_json, to_json

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "OUT_OF_RANGE": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
}
LARGEST_BODY = 256 * 1024 * 1024


class RestService:
    """Answers REST requests from the versions that are served.

    `inputs` gives named columns and gets `outputs`; `instances` gives one task a row,
    to the signatures with a task axis, and gets `predictions`.
    """

    def __init__(self, versions: ServedVersions) -> None:
        self.versions = versions
        model = "/v1/models/<name>"
        self.routes = Map(
            [
                Rule(f"{model}{version}{path}", endpoint=endpoint, methods=methods)
                for version in ("", "/versions/<int:version>")
                for path, endpoint, methods in (
                    ("", self._status, ["GET"]),
                    ("/metadata", self._metadata, ["GET"]),
                    (":predict", self._predict, ["POST"]),
                )
            ]
        )

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        request = Request(environ)
        request.max_content_length = LARGEST_BODY
        status, body = self._answer(request)
        text = json.dumps(body, ensure_ascii=False)
        response = Response(text, status=status, content_type="application/json")
        return response(environ, start_response)

    def _answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        try:
            endpoint, found = self.routes.bind_to_environ(request.environ).match()
            values = dict(found)
            if values.pop("name") != self.versions.name:
                raise NotServed(f"The model served here is {self.versions.name}.")
            return 200, endpoint(request, **values)
        except HTTPException as error:
            return error.code or 500, {"error": error.description or error.name}
        except NotServed as error:
            return 404, {"error": str(error)}
        except ValueError as error:
            return 400, {"error": str(error)}
        except tf.errors.OpError as error:
            status = HTTP_STATUS.get(code_name(error), 500)
            return status, {"error": error.message}

    def _predict(self, request: Request, version: int | None = None) -> dict[str, Any]:
        try:
            body = json.loads(request.get_data())
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"The body is not JSON: {error}") from error
        if not isinstance(body, dict) or ("inputs" in body) == ("instances" in body):
            raise ValueError("The body must be an object with inputs or instances.")
        signature = body.get("signature_name", "")
        by_row = "instances" in body
        given = _columns(body["instances"]) if by_row else body["inputs"]
        if not isinstance(given, dict):
            with self.versions.signature(signature, version) as (function, _):
                names = [*function.structured_input_signature[1]]
            if len(names) != 1:
                raise ValueError(f"Name the inputs: {', '.join(sorted(names))}.")
            given = {names[0]: given}
        inputs = {name: from_json(value) for name, value in given.items()}
        outputs, _ = self.versions.run(inputs, signature, version)
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
