"""CLINC150 with its domains and out-of-scope rows, and the trials bots are made for."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maml_tf.episodes import CorpusError
from training.research.intents.bots import BotTexts
from training.research.intents.fold_learners import Benchmark
from training.research.intents.intent_data import IntentData
from training.research.intents.kept_training import Projection, train_projection
from training.research.intents.kept_vectors import kept_states, kept_vectors

OUT_OF_SCOPE = "oos"
FIELDS = ("text", "label", "split", "domain")
Transform = Callable[[np.ndarray], np.ndarray]


class Clinc:
    """The rows of CLINC150 and their frozen vectors.

    Args:
        path: a JSON object a line, with text, label, split and domain.
        benchmark: whose encoder makes the vectors.

    Raises:
        CorpusError: if a row lacks a field.
    """

    def __init__(self, path: Path, benchmark: Benchmark) -> None:
        rows = _read(path)
        self.texts: list[str] = [row["text"] for row in rows]
        self.labels, self.domains, self.splits = (
            np.array([row[name] for row in rows])
            for name in ("label", "domain", "split")
        )
        upper, work_dir = benchmark.upper, benchmark.work_dir
        lower = kept_states(self.texts, upper, work_dir, "clinc150")
        self.digest = lower.digest
        self.vectors = kept_vectors(upper, lower, work_dir, "clinc150-frozen")

    @property
    def names(self) -> list[str]:
        """The domains that have intents."""
        return sorted(set(self.domains) - {OUT_OF_SCOPE})

    def check_domains(self, least: int) -> None:
        """Refuses domains with fewer intents than a bot is to have.

        Raises:
            CorpusError: naming the first of them.
        """
        for name in self.names:
            count = len(np.unique(self.labels[self.domains == name]))
            if count < least:
                raise CorpusError(
                    f"The domain {name} has {count} intents; bots of {least} intents "
                    "need as many in every domain."
                )

    def bot_texts(
        self, head: Transform, inside: np.ndarray, outside_splits: Sequence[str]
    ) -> BotTexts:
        """What a bot learns from, is asked, and should turn away.

        Args:
            head: applied to the vectors.
            inside: `[rows]`, which rows are of the bot's intents.
            outside_splits: of the out-of-scope rows.
        """
        support = inside & (self.splits == "train")
        query = inside & (self.splits == "test")
        outside = self.labels == OUT_OF_SCOPE
        outside &= np.isin(self.splits, list(outside_splits))
        return BotTexts(
            head(self.vectors[support]),
            self.labels[support],
            head(self.vectors[query]),
            self.labels[query],
            head(self.vectors[outside]),
        )


@dataclass(frozen=True)
class Trial:
    """Classes to train on, to calibrate by and to test on.

    Attributes:
        domain: what is tested on.
        projection: trained on the trial's training classes, its share chosen on the
            validation classes.
        sides: from a transform of vectors to the validation bots' and the test bots'
            texts.
    """

    domain: str
    projection: Projection
    sides: Callable[[Transform], tuple[BotTexts, BotTexts]]


def domain_trials(
    clinc: Clinc, benchmark: Benchmark, domains: Sequence[str], shots: tuple[int, ...]
) -> Iterator[Trial]:
    """Each domain in turn, validated on the next one and trained on all others."""
    for index, test in enumerate(clinc.names):
        if test not in domains:
            continue
        validation = clinc.names[(index + 1) % len(clinc.names)]
        taught = clinc.splits == "train"
        training = taught & ~np.isin(clinc.domains, [test, validation, OUT_OF_SCOPE])
        judging = taught & (clinc.domains == validation)
        projection = train_projection(
            clinc.vectors[training],
            clinc.labels[training],
            (clinc.vectors[judging], clinc.labels[judging]),
            work_dir=benchmark.work_dir,
            name=f"projection-clinc150-{test}",
            shots=shots,
            settings=benchmark.projection,
        )

        def sides(
            head: Transform, test: str = test, validation: str = validation
        ) -> tuple[BotTexts, BotTexts]:
            return (
                clinc.bot_texts(head, clinc.domains == validation, ("train", "valid")),
                clinc.bot_texts(head, clinc.domains == test, ("test",)),
            )

        yield Trial(test, projection, sides)


def whole_trial(
    clinc: Clinc, other: IntentData, benchmark: Benchmark, shots: tuple[int, ...]
) -> Trial:
    """All intents of CLINC150 at once, trained and validated on another data set."""
    vectors = kept_vectors(
        benchmark.upper, other.lower, benchmark.work_dir, f"{other.name}-frozen"
    )
    held = np.isin(other.labels, other.split("01").validation.classes)
    projection = train_projection(
        vectors[~held],
        other.labels[~held],
        (vectors[held], other.labels[held]),
        work_dir=benchmark.work_dir,
        name=f"projection-all-but-01-{other.name}",
        shots=shots,
        settings=benchmark.projection,
    )
    labels = other.labels[held]
    half = np.arange(len(labels)) % 2 == 0

    def sides(head: Transform) -> tuple[BotTexts, BotTexts]:
        inside = clinc.labels != OUT_OF_SCOPE
        outside = clinc.bot_texts(head, inside, ("train", "valid")).out_of_scope
        moved = head(vectors[held])
        validation = BotTexts(
            moved[half], labels[half], moved[~half], labels[~half], outside
        )
        return validation, clinc.bot_texts(head, inside, ("test",))

    return Trial("all", projection, sides)


def _read(path: Path) -> list[dict[str, str]]:
    rows = []
    lines = path.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        missing = [n for n in FIELDS if not isinstance(row, dict) or n not in row]
        if missing:
            raise CorpusError(
                f"{path}, line {number}, has no {' and no '.join(missing)}; a row is "
                'like {"text": …, "label": …, "split": "train", "domain": …}.'
            )
        rows.append(row)
    return rows
