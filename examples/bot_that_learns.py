"""For who builds a bot: teach it, ask, correct it, start again, take it elsewhere.

    python examples/bot_that_learns.py

All that the bot is taught is on disk before a call returns.
"""

import tempfile
from pathlib import Path

from maml_tf.chatbot import Chatbot


def main(model: object = None) -> dict[str, str]:
    """Runs a bot's first minutes.

    Args:
        model: an export's folder, a client or a learner; the default model if None.

    Returns:
        The intent of each question, by the question.
    """
    folder = Path(tempfile.mkdtemp())
    bot = Chatbot(model, folder / "bots.sqlite", bot="shop")
    bot.teach(
        "track",
        ["where is my parcel", "has my order been sent"],
        ["It is on its way."],
    )
    bot.teach("refund", ["I want my money back"], ["You get it within a week."])
    bot.never("what is the weather like")

    reply = bot.reply("where's my parcel now?")
    print(f"{reply.text}  ({reply.intent}, {reply.confidence:.0%})")
    for reason in reply.because[:2]:
        print(f"  {reason.weight:.2f}: {reason.text}")

    # A user's correction is one more example, and no example of any other intent.
    question = "the lamp arrived in pieces"
    print(f"{question}: {bot.reply(question).intent}, before it was corrected")
    bot.correct(question, "refund")

    # A process that ended, at any moment, has lost nothing.
    again = Chatbot(model, folder / "bots.sqlite", bot="shop")
    asked = ("the lamp is in pieces", "was my order sent yet")
    found = {text: again.reply(text).intent or "" for text in asked}
    for text, intent in found.items():
        print(f"{text}: {intent}")

    # Rasa's format, or JSON lines by the name's ending.
    again.export_file(folder / "shop.yml")
    other = Chatbot(model, folder / "bots.sqlite", bot="copy")
    other.import_file(folder / "shop.yml")
    print(f"{len(other.intents())} intents in a copy of it")
    return found


if __name__ == "__main__":
    main()
