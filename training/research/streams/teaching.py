"""Teachers who err, contradict themselves, or correct a bot's mistakes."""

from typing import Any

import numpy as np

from maml_tf.evaluation.doubtful_labels import doubtful_labels
from maml_tf.evaluation.vector_episodes import cosine_prototypes
from training.research.streams.stream import Stream


def accuracy(
    stream: Stream, rows: np.ndarray, labels: np.ndarray, numbers: np.ndarray
) -> float:
    """Of the bot's prototypes, taught rows under some labels, on all questions.

    Args:
        stream: with vectors and questions.
        rows: taught.
        labels: what they were called.
        numbers: every intent of the bot, in order.
    """
    present, places = np.unique(labels, return_inverse=True)
    prototypes = cosine_prototypes(stream.vectors[rows], places)
    asked = np.concatenate(stream.asked)
    asked = asked[np.isin(stream.labels[asked], numbers)]
    guesses = present[(stream.vectors[asked] @ prototypes.T).argmax(axis=1)]
    return float((guesses == stream.labels[asked]).mean())


def with_mistakes(
    stream: Stream, share: float, *, contradict: bool, random: np.random.Generator
) -> dict[str, Any]:
    """What wrong labels cost, and what leaving out the doubtful ones brings back.

    Args:
        stream: whose examples are taught all at once.
        share: of the taught examples that get a wrong label.
        contradict: the right label stays beside the wrong one: a correction that
            contradicts what was taught.
        random: chooses examples and wrong labels.
    """
    rows = np.concatenate(stream.taught)
    labels = stream.labels[rows].copy()
    numbers = np.arange(stream.intents)
    wrong = random.choice(len(rows), round(share * len(rows)), replace=False)
    others = (labels[wrong] + random.integers(1, stream.intents, len(wrong))) % (
        stream.intents
    )
    is_wrong = np.zeros(len(rows), bool)
    if contradict:
        rows = np.concatenate([rows, rows[wrong]])
        labels = np.concatenate([labels, others])
        is_wrong = np.concatenate([is_wrong, np.ones(len(wrong), bool)])
    else:
        labels[wrong] = others
        is_wrong[wrong] = True
    doubted = doubtful_labels(stream.vectors[rows], labels)
    kept = ~doubted
    return {
        "accuracy": round(accuracy(stream, rows, labels, numbers), 5),
        "guarded": round(accuracy(stream, rows[kept], labels[kept], numbers), 5),
        "pointed_out": round(float(doubted[is_wrong].mean()), 5) if share else None,
        "false_alarms": round(float(doubted[~is_wrong].mean()), 5),
    }


def corrections(
    stream: Stream, at: tuple[int, ...], random: np.random.Generator
) -> list[dict[str, float]]:
    """Accuracy against users' corrections, beside as many labels of random questions.

    The bot begins with one example of each intent. Users ask the questions that are
    left, in random order and each once; a wrong answer is corrected once, and the
    question becomes an example of its right intent.

    Args:
        stream: with rows left over.
        at: after which numbers of corrections to judge.
        random: the order of users' questions.
    """
    taught = np.concatenate(stream.taught)
    numbers = np.arange(stream.intents)
    first = np.array([taught[stream.labels[taught] == n][0] for n in numbers])
    coming = random.permutation(stream.left)
    sums = stream.vectors[first].astype("float64")
    corrected: list[int] = []
    asked_by_then: list[int] = []
    for position, row in enumerate(coming):
        if len(corrected) == max(at):
            break
        lengths = np.linalg.norm(sums, axis=1)
        guess = int((sums @ stream.vectors[row] / lengths).argmax())
        if guess != stream.labels[row]:
            corrected.append(int(row))
            asked_by_then.append(position + 1)
            sums[stream.labels[row]] += stream.vectors[row]
    found = []
    for count in at:
        if count > len(corrected):
            break
        judged = {}
        for name, more in (("corrections", corrected), ("random", coming)):
            rows = np.concatenate([first, np.asarray(more[:count], int)])
            score = accuracy(stream, rows, stream.labels[rows], numbers)
            judged[name] = round(score, 5)
        asked = asked_by_then[count - 1] if count else 0
        found.append({"count": count, "asked": asked, **judged})
    return found
