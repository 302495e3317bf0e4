"""A web page to chat with a bot and to teach it, for several people at once.

    python -m training.chat_web --saved_model=saved_models/demo

Then http://127.0.0.1:8080 shows the conversation, what the bot knows and why it
answered as it did. All that is taught lies in one SQLite file (--store), on the disk
before the page says so. Without --saved_model the meta-trained default learns in this
process. With --language_model=saved_models/NAME an export of a language model replies.

By default only this machine can reach it. With another --host every call has to bring a
token; the address that is printed holds it. See docs/chatbot.md.
"""

import gc
import secrets
import signal
import socket
from pathlib import Path
from typing import Any

from absl import app, flags

from .common.flag_types import define_path
from .common.model_places import check_place, client_at
from .common.onednn import without_onednn
from .common.running import run_script

FLAGS = flags.FLAGS


def define_flags() -> None:
    define_path(
        "saved_model",
        None,
        "saved_models/NAME, or http://HOST:PORT/NAME or grpc://HOST:PORT/NAME of a "
        "server; by default the meta-trained default.",
    )
    define_path(
        "language_model",
        None,
        "An export of a language model, or its address as above, which then replies in "
        "the manner of the taught responses.",
    )
    define_path("store", "runs/chat/bots.sqlite", "The file that holds the bots.")
    flags.DEFINE_string("bot", "bot", "The bot that the page shows at first.")
    flags.DEFINE_bool(
        "sample", False, "Teach the bot the demo's six intents if it knows nothing."
    )
    flags.DEFINE_string("host", "127.0.0.1", "The address to listen on.")
    flags.DEFINE_integer("port", 8080, "The port; 0 takes a free one.", 0, 65535)
    flags.DEFINE_string(
        "token",
        None,
        "What callers have to know. By default none on this machine's own addresses, "
        "and a new one on others.",
    )
    flags.DEFINE_integer("threads", 2, "Calls worked on at once.", lower_bound=1)


def main(argv: list[str]) -> None:
    token = FLAGS.token
    if token is not None and len(token) < 8:
        raise app.UsageError("--token has to have 8 characters or more.")
    try:
        import uvicorn

        from maml_tf.chatbot.web.security import is_loopback
    except ImportError as error:
        raise app.UsageError(
            f"The page needs {error.name}; pip install 'maml-tf[web]'."
        ) from error
    if token is None and not is_loopback(FLAGS.host):
        token = secrets.token_urlsafe(16)
    # Bound before the model is loaded, so that a port that is taken is said at once.
    listening = bind(FLAGS.host, FLAGS.port)
    without_onednn()
    config = uvicorn.Config(
        application(token),
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    # Garbage is looked for among what requests leave, not among all of TensorFlow: else
    # it lies about until it is a quarter of that.
    gc.collect()
    gc.freeze()
    server = uvicorn.Server(config)

    def stop(*_: Any) -> None:
        server.should_exit = True

    for kind in (signal.SIGINT, signal.SIGTERM):
        # From before anybody is told that it runs; uvicorn's own come in their place,
        # and what they have seen it raises once more at its end.
        signal.signal(kind, stop)
    print(f"{FLAGS.bot}: {address(listening, token)}", flush=True)
    server.run(sockets=[listening])


def application(token: str | None) -> Any:
    """The page with the bots of the store, its model loaded."""
    from maml_tf.bot import client_of
    from maml_tf.chatbot import Chatbot
    from maml_tf.chatbot.web import OpenBots, create_app

    store = Path(FLAGS.store)
    store.parent.mkdir(parents=True, exist_ok=True)
    # What cannot be used is refused before the model is loaded.
    Chatbot.bots(store)
    for named in filter(None, (FLAGS.saved_model, FLAGS.language_model)):
        check_place(named)
    place = FLAGS.saved_model
    client = client_of(client_at(place) if place else None)
    language_model = client_at(FLAGS.language_model) if FLAGS.language_model else None
    client.embed(["Hello."])  # the first question should not wait for the model
    bots = OpenBots(
        lambda name: Chatbot(client, store, bot=name, language_model=language_model),
        lambda: Chatbot.bots(store),
        FLAGS.bot,
    )
    first = bots.get(FLAGS.bot)
    if FLAGS.sample and not first.intents():
        teach_sample(first)
    return create_app(bots, token=token, threads=FLAGS.threads)


def teach_sample(bot: Any) -> None:
    """Teaches the demo's intents, with a response each."""
    from .demo_bot import RESPONSES, SUPPORT

    for intent, examples in SUPPORT.items():
        bot.teach(intent, examples, [RESPONSES[intent]])


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        UsageError: if it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(512)
    except OSError as error:
        listening.close()
        raise app.UsageError(
            f"Nothing can listen on {host} port {port}: {error.strerror or error}; "
            "give another --host or --port."
        ) from error
    return listening


def address(listening: socket.socket, token: str | None) -> str:
    """What to type into a browser; the token lies behind `#`, where no log sees it."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + (f"#token={token}" if token else "")


if __name__ == "__main__":
    define_flags()
    run_script(main)
