"""A bot that people teach: it replies, says what it does not know, and remembers.

It stands on `maml_tf.serving.Client` and a SQLite file, so that it runs on an export on
disk, a server, or the default model of this process alike. Over a server it loads no
TensorFlow.
"""

from maml_tf.chatbot.chatbot import Chatbot
from maml_tf.chatbot.records import (
    Alternative,
    Because,
    Event,
    Imported,
    Intent,
    Place,
    Reply,
    Taught,
)

__all__ = [
    "Alternative",
    "Because",
    "Chatbot",
    "Event",
    "Imported",
    "Intent",
    "Place",
    "Reply",
    "Taught",
]
