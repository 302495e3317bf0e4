"""The page and its calls: JSON in, one method of the chatbot, JSON out."""

import logging
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from maml_tf.chatbot.records import Reply
from maml_tf.chatbot.web.open_bots import OpenBots
from maml_tf.chatbot.web.request_bodies import (
    LARGEST_CALL,
    LARGEST_FILE,
    Fields,
    Refused,
    read_fields,
    read_file,
)
from maml_tf.chatbot.web.security import Guarded
from maml_tf.chatbot.web.views import Views
from maml_tf.serving import RequestError, ServiceError
from maml_tf.serving.results import NotStored

PAGE = str(files("maml_tf.chatbot.web") / "page")
EVENTS_SHOWN = 30
OLDEST_MAP = 2.0  # seconds; placing thousands of examples takes a part of one
ENDINGS = {"rasa": "yml", "jsonl": "jsonl"}

# What a call does with a chatbot; the path is `/api/NAME`.
CALLS: dict[str, Callable[[Any, Fields], Any]] = {
    "reply": lambda bot, call: asdict(bot.reply(call.text("text"))),
    "teach": lambda bot, call: asdict(
        bot.teach(call.text("intent"), call.texts("examples"), call.texts("responses"))
    ),
    "correct": lambda bot, call: asdict(
        bot.correct(call.text("text"), call.text("intent"))
    ),
    "never": lambda bot, call: asdict(bot.never(call.text("text"))),
    "forget": lambda bot, call: {"removed": bot.forget(call.text("intent"))},
    "forget_example": lambda bot, call: {
        "removed": bot.forget_example(call.text("intent"), call.text("text"))
    },
    "thumbs": lambda bot, call: asdict(bot.thumbs(_judged(call), call.flag("up"))),
    "undo": lambda bot, call: {"said": bot.undo()},
}


def _judged(call: Fields) -> Reply:
    """The reply that a person thinks something of, as their page remembers it.

    The server keeps no conversations, so that nothing of them is lost when it ends.
    """
    return Reply(
        call.text("text"),
        call.text("intent"),
        confidence=1.0,
        alternatives=[],
        because=[],
        kind="generated" if call.text("kind") == "generated" else "answer",
        margin=None,
        asked=call.text("asked"),
    )


def create_app(
    bots: OpenBots, *, token: str | None = None, threads: int = 4
) -> Guarded:
    """The ASGI application of the page.

    Args:
        bots: the chatbots that the page talks to.
        token: what every call has to bring; None lets everybody in who reaches the
            server by one of this machine's own names.
        threads: calls worked on at once; others wait their turn.
    """
    answers = _Answers(bots, threads)
    calls = [
        *(
            Route(f"/{name}", partial(answers.call, work=work), methods=["POST"])
            for name, work in CALLS.items()
        ),
        Route("/import", answers.take_file, methods=["POST"]),
        Route("/bots", answers.bots),
        Route("/bot", answers.bot),
        Route("/revision", answers.revision),
        Route("/map", answers.map),
        Route("/export", answers.export),
    ]
    routes = [
        Mount("/api", routes=calls),
        Mount("/", StaticFiles(directory=PAGE, html=True)),
    ]
    handlers = {
        Refused: _refuse_as_it_says,
        NotStored: partial(_refuse, status=507),
        RequestError: partial(_refuse, status=400),
        ServiceError: partial(_fail, status=503),
        OSError: partial(_fail, status=507),
        sqlite3.Error: partial(_fail, status=507),
        HTTPException: _no_such_thing,
        Exception: _break,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]
    return Guarded(app, token=token)


class _Answers:
    """The handlers of all paths, on bots that are worked with in threads."""

    def __init__(self, bots: OpenBots, threads: int) -> None:
        self.open = bots
        self.threads = threads
        self.views = Views()
        self._limiter: anyio.CapacityLimiter | None = None

    async def call(
        self, request: Request, work: Callable[[Any, Fields], Any]
    ) -> Response:
        fields = await read_fields(request)
        name = fields.text("bot")
        return await self._json(lambda: work(self.open.get(name), fields))

    async def take_file(self, request: Request) -> Response:
        content = await read_file(request)
        named = _file_name(request.query_params.get("name", ""))
        name = self._name(request)
        return await self._json(lambda: _import(self.open.get(name), content, named))

    async def bots(self, request: Request) -> Response:
        return await self._json(
            lambda: {
                "bots": self.open.names(),
                "first": self.open.first,
                "limits": {"call": LARGEST_CALL, "file": LARGEST_FILE},
            }
        )

    async def bot(self, request: Request) -> Response:
        name = self._name(request)
        return await self._view(name, "bot", _all_of)

    async def revision(self, request: Request) -> Response:
        name = self._name(request)
        return await self._json(lambda: {"revision": self.open.get(name).revision()})

    async def map(self, request: Request) -> Response:
        name = self._name(request)
        return await self._view(name, "map", _places_of, old_seconds=OLDEST_MAP)

    async def export(self, request: Request) -> Response:
        name = self._name(request)
        kind = request.query_params.get("format", "rasa")
        if kind not in ENDINGS:
            raise RequestError(f"There is no format {kind[:40]!r}; take rasa or jsonl.")
        text = await self._run(lambda: self.open.get(name).export_text(kind))
        return PlainTextResponse(text)

    def _name(self, request: Request) -> str:
        return request.query_params.get("bot", self.open.first)

    async def _json(self, work: Callable[[], Any]) -> Response:
        return JSONResponse(await self._run(work))

    async def _view(
        self,
        name: str,
        kind: str,
        make: Callable[[Any], dict[str, Any]],
        old_seconds: float = 0.0,
    ) -> Response:
        def made() -> bytes:
            bot = self.open.get(name)
            return self.views.get(
                (name, kind), bot.revision, lambda: make(bot), old_seconds
            )

        return Response(await self._run(made), media_type="application/json")

    async def _run(self, work: Callable[[], Any]) -> Any:
        if self._limiter is None:  # it belongs to the loop that runs
            self._limiter = anyio.CapacityLimiter(self.threads)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


def _file_name(given: str) -> str:
    """A name for a file that lies in a folder of its own, whatever was given."""
    name = PurePosixPath(given).name[-80:].lstrip(".")
    return "".join(c if c.isalnum() or c in "._- " else "_" for c in name) or "file"


def _import(bot: Any, content: bytes, name: str) -> dict[str, Any]:
    """Lets the chatbot read a file of that name; what it says names no other place."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            return asdict(bot.import_file(path))
        except RequestError as error:
            said = str(error).replace(f"{folder}/", "")
            kind = NotStored if isinstance(error, NotStored) else RequestError
            raise kind(said) from error


def _all_of(bot: Any) -> dict[str, Any]:
    return {
        "intents": [asdict(intent) for intent in bot.intents()],
        "negatives": bot.negatives(),
        "history": [
            {"number": event.number, "when": str(event.when), "summary": event.summary}
            for event in bot.history(EVENTS_SHOWN)
        ],
    }


def _places_of(bot: Any) -> dict[str, Any]:
    return {"places": [asdict(place) for place in bot.map()]}


async def _refuse(request: Request, error: Exception, status: int) -> Response:
    return JSONResponse({"error": str(error)}, status)


async def _refuse_as_it_says(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return await _refuse(request, error, error.status)


async def _fail(request: Request, error: Exception, status: int) -> Response:
    logging.getLogger(__name__).warning("%s: %s", request.url.path, error)
    said = getattr(error, "strerror", None) or str(error)
    if status == 507:
        said = f"This could not be stored, so nothing was changed: {said}."
    return JSONResponse({"error": said}, status)


async def _no_such_thing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": f"{error.detail}."}, error.status_code)


async def _break(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "The server failed; its log says why."}, 500)
