"""Bring your own data: a bot of your sentences, and meta-training on your corpora.

    python examples/own_data.py

A bot needs no training, only a few sentences of each intent. Meta-training is for those
who have many intents, of other bots of theirs say, that a new bot's will be like.
"""

import tempfile
from pathlib import Path

import keras

from maml_tf import Bot
from maml_tf.default_learner import default_learner
from maml_tf.episodes import (
    encode_corpus,
    episode_dataset,
    read_corpus,
    split_classes,
)
from maml_tf.evaluation import episode_accuracies, mean_with_interval

BOT = """text,label
where is my parcel,track
has my order been sent,track
I want my money back,refund
please refund me,refund
"""
THINGS = ("lamp", "oven", "fan", "heater", "radio", "door", "camera", "robot", "tap")
SENTENCES = ("{} on", "start the {}", "the {} please", "I need the {} now", "go {}")


def main(encoder: str | None = None, steps: int = 20) -> float:
    """Runs both ways.

    Args:
        encoder: the default encoder if None; see `create_text_encoder`.
        steps: of meta-training.

    Returns:
        The accuracy on intents that meta-training never saw.
    """
    folder = Path(tempfile.mkdtemp())

    # A bot: rows of text and label, in a file or from anywhere else.
    (folder / "bot.csv").write_text(BOT, encoding="utf-8")
    rows = read_corpus(f"csv:{folder / 'bot.csv'}")
    learner = default_learner(encoder)
    bot = Bot(learner).fit(rows.texts, rows.labels)  # Bot() is the same by default
    print(bot.predict(["did you send it yet", "give me a refund"]))

    # Meta-training: a corpus of many intents, cut by intent into three.
    lines = [f"{form.format(t)},{t}" for t in THINGS for form in SENTENCES]
    path = folder / "corpus.csv"
    path.write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    split = split_classes(read_corpus(f"csv:{path}"), "random:0.5,0.2,0.3")
    preprocessor = learner.base_learner.preprocessor
    shape = {"ways": 2, "shots": 1, "queries": 3}
    training = encode_corpus(split.train, preprocessor)
    tasks = episode_dataset(training, **shape, steps=steps)
    learner.compile(keras.optimizers.AdamW(3e-5))
    learner.fit(tasks, verbose=0)
    test = encode_corpus(split.test, preprocessor)
    accuracy = mean_with_interval(
        episode_accuracies(learner, test, **shape, episodes=20)
    )
    print(f"On intents that training never saw: {accuracy}")
    return accuracy.mean


if __name__ == "__main__":
    main()
