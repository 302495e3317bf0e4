"""The demo's page: what was learned, on three pictures and a table."""

from pathlib import Path

import numpy as np

from maml_tf.base_learners import create_text_encoder
from maml_tf.bot import Bot
from maml_tf.default_learner import default_learner
from maml_tf.episodes import encode_corpus, read_corpus, split_classes
from maml_tf.evaluation import Accuracy, frozen_prototypes
from maml_tf.evaluation.accuracy_by_examples import accuracy_by_examples
from maml_tf.evaluation.bot_plots import plot_accuracy_by_examples, plot_map
from maml_tf.evaluation.page import Page
from maml_tf.learners import MetaLearner

from ..demo_bot import QUERIES, SUPPORT
from .files import load_model
from .finished import CURVES, MODEL
from .run import read_config

WAYS = 5
DEFAULT = "meta-trained (the default)"
FROZEN = "the same encoder, not meta-trained"


def write_demo_page(folder: Path, export: Path, *, episodes: int) -> Path:
    """Judges the demo's models, asks its bot and writes `folder`/index.html.

    Args:
        folder: holds the run of training.train in `train`, and gets the pictures.
        export: the exported default.
        episodes: the tasks behind each point of a curve.
    """
    curves = _curves(folder / "train", episodes)
    default, frozen = curves[DEFAULT], curves[FROZEN]
    page = Page(
        "A bot that learns from a handful of sentences",
        "A model that was trained to learn: shown a few sentences of each intent, it "
        "tells the intents of new sentences apart, at once and without a training job.",
    )
    page.figures(
        [
            (_percent(default[1]), "of questions understood after 1 example an intent"),
            (_percent(default[5]), "after 5 examples"),
            (_percent(frozen[5]), "after 5 examples, had it not been trained to learn"),
            (f"{1 / WAYS:.0%}".replace("%", " %"), "by guessing"),
        ]
    )
    page.section(
        "The more examples, the better; trained to learn, it needs fewer",
        f"Bots of {WAYS} smart-home intents that no training saw, {episodes} of them "
        "for each point; the bars are 95 % intervals.",
    )
    plot_accuracy_by_examples(
        curves,
        folder / "examples.png",
        chance=1 / WAYS,
        title="Questions understood, by examples of each intent",
    )
    page.picture(folder / "examples.png", "Accuracy against the number of examples.")
    _ask(page, folder, export)
    page.section(
        "It learns to learn",
        "A short meta-training on other smart-home intents. Left: its mistakes on "
        "tasks drawn from them. Right: how well it does on intents kept aside.",
    )
    page.picture(folder / "train" / CURVES, "Learning curves of meta-training.")
    path = folder / "index.html"
    page.write(path)
    return path


def _curves(run: Path, episodes: int) -> dict[str, dict[int, Accuracy]]:
    """Accuracy by number of examples, of three learners, on a run's test classes."""
    default, learner = default_learner(), load_model(run / MODEL)
    frozen = frozen_prototypes(create_text_encoder(pretrained="base"))
    learners: dict[str, MetaLearner] = {
        "meta-trained, and further on smart homes": learner,
        DEFAULT: default,
        FROZEN: frozen,
    }
    settings = read_config(run)
    corpus = read_corpus(settings["corpus"], seed=settings["split_seed"])
    test = split_classes(
        corpus, settings["class_split"], seed=settings["split_seed"]
    ).test
    encoded = encode_corpus(test, default.base_learner.preprocessor)
    return {
        name: accuracy_by_examples(
            one, encoded, episodes=episodes, ways=WAYS, queries=5
        )
        for name, one in learners.items()
    }


def _ask(page: Page, folder: Path, export: Path) -> None:
    """Teaches the demo's bot, shows where its sentences lie and what it answers."""
    taught = [(text, name) for name, texts in SUPPORT.items() for text in texts]
    texts, labels = map(list, zip(*taught, strict=True))
    bot = Bot(export).fit(texts, labels)
    answers = bot.answer(QUERIES)
    page.section(
        "A new bot, taught with three sentences an intent",
        "Each mark is a sentence, placed by its meaning as the model sees it. "
        "Questions (numbers) fall to the intent whose sentences they lie among.",
    )
    plot_map(
        bot.embed(texts),
        labels,
        folder / "map.png",
        title="Taught sentences and questions, by meaning",
        asked=bot.embed(QUERIES),
        questions=QUERIES,
    )
    page.picture(folder / "map.png", "The bot's sentences and the questions put to it.")
    page.table(
        ["", "question", "answer", "probability"],
        [
            [
                number,
                query,
                intent if known else f"I don't know ({intent}?)",
                f"{chance:.0%}".replace("%", " %"),
            ]
            for number, query, intent, known, chance in zip(
                range(1, len(QUERIES) + 1),
                QUERIES,
                answers.intents,
                answers.in_scope,
                np.max(answers.probabilities, axis=1),
                strict=True,
            )
        ],
    )


def _percent(accuracy: Accuracy) -> str:
    return f"{accuracy.mean:.0%}".replace("%", " %")
