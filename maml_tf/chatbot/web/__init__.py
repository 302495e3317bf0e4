"""The chatbot's web page: what a browser shows, and the server behind it.

`create_app` gives an ASGI application; `python -m training.chat_web` runs it.
"""

from typing import TYPE_CHECKING

from maml_tf.lazy_imports import lazy_attributes

if TYPE_CHECKING:
    from maml_tf.chatbot.web.app import create_app
    from maml_tf.chatbot.web.open_bots import OpenBots

__all__ = ["OpenBots", "create_app"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "OpenBots": "maml_tf.chatbot.web.open_bots",
        "create_app": "maml_tf.chatbot.web.app",
    },
)
