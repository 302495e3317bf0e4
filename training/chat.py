"""Talks with a bot in the terminal, and teaches it while it talks.

    python -m training.chat --saved_model=saved_models/mine --bot=shop

A line is said to the bot; one that begins with `/` is a command, and /help lists them.
All that is taught is in the file --store, at once. Without --saved_model the default
model is used, which is prepared once and kept. The model may be that of a server, as in
--saved_model=http://localhost:8501/mine. Lines may come from a pipe, too.
"""

import gc
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING, Any

from absl import app, flags

from .common.flag_types import define_path
from .common.model_places import check_place, client_at, is_address
from .common.running import is_mistake, run_script, sentence

if TYPE_CHECKING:
    from maml_tf.chatbot import Chatbot

FLAGS = flags.FLAGS
PACKAGES = ("prompt_toolkit", "rich")


def define_flags() -> None:
    """The flags of this script."""
    define_path(
        "saved_model",
        None,
        "An export of training.export, saved_models/NAME or saved_models/NAME/VERSION, "
        "or http://HOST:PORT/NAME or grpc://HOST:PORT/NAME of a server; by default the "
        "default model.",
    )
    define_path("store", "bots.sqlite", "The file of bots; made if need be.")
    flags.DEFINE_string("bot", "bot", "The name of the bot in it.")
    define_path(
        "language_model",
        None,
        "An export of a language model, or its address as above, which then replies in "
        "the manner of the taught responses.",
    )


def main(argv: list[str]) -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise app.UsageError(
            f"The terminal needs {' and '.join(missing)}: pip install 'maml-tf[chat]'."
        )
    from maml_tf.chatbot.checks import checked_name
    from maml_tf.chatbot.memory import Memory

    from .common.chat_commands import Commands
    from .common.chat_screen import Screen
    from .common.default_export import default_export

    # What is wrong with these is said before anything is waited for.
    bot = checked_name(FLAGS.bot, "bot")
    for named in filter(None, (FLAGS.saved_model, FLAGS.language_model)):
        check_place(named)
    Memory(FLAGS.store)
    place = FLAGS.saved_model or str(default_export())
    if is_address(place):
        client_at(place).embed(["hello"])  # whether anybody is there
    screen = Screen(FLAGS.store)
    gc.disable()  # there is none until the model is loaded
    chatbot = _while_waiting(lambda: _chatbot(place, bot))
    commands = Commands(chatbot.result, bot)
    screen.welcome(bot, FLAGS.store)
    for line in screen.lines(commands.completions):
        try:
            with screen.waiting(chatbot):
                shown = commands.answer(line)
        except Exception as error:
            if not is_mistake(error):
                raise
            screen.wrong(sentence(error))
            continue
        if shown is None:
            break
        screen.show(shown)
    if not chatbot.done():  # TensorFlow cannot be left in the middle of its import
        sys.stdout.flush()
        os._exit(0)


def _chatbot(place: str, bot: str) -> "Chatbot":
    from maml_tf.chatbot import Chatbot

    language_model = client_at(FLAGS.language_model) if FLAGS.language_model else None
    client = client_at(place, quick=True)
    client.embed(["hello"])  # the first one takes longest
    gc.freeze()  # nothing of TensorFlow is garbage
    gc.enable()
    return Chatbot(client, FLAGS.store, bot=bot, language_model=language_model)


def _while_waiting(make: Callable[[], Any]) -> "Future[Any]":
    """What `make` makes beside what goes on; a daemon, so that leaving is possible."""
    made: Future[Any] = Future()

    def work() -> None:
        try:
            made.set_result(make())
        except BaseException as error:  # whoever asks for the result is told
            made.set_exception(error)

    Thread(target=work, daemon=True).start()
    return made


if __name__ == "__main__":
    define_flags()
    run_script(main)
