"""How many of a bot's own questions are in scope, and how many of others', by rule.

    python -m training.scope --corpus=jsonl:DATA/BANKING77/full.jsonl \\
        --corpus=jsonl:DATA/OOS/full.jsonl --pretrained=base

Bots of 3 to 30 intents with 1 to 10 examples each, half of them with names, learned by
nearest prototype. What is judged on one corpus is fitted to bots of all the others: the
rule that reads a threshold off a bot's examples, and beside it one threshold on the
cosine for all bots. Both are to let the same share of a bot's own questions pass.

With --delta=FILE the rule of all corpora together is written on the card of that delta,
from where the default learner takes it.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from maml_tf.base_learners.delta import Delta
from maml_tf.base_learners.text_encoder import create_text_encoder
from maml_tf.episodes import Corpus, read_corpus
from maml_tf.episodes.class_names import name_as_words
from maml_tf.evaluation.calibrate import calibration_of_bots
from maml_tf.evaluation.calibration import scope_scores
from maml_tf.evaluation.features import Embedder
from training.common.files import write_aside, write_json
from training.common.flag_types import define_count, define_path, define_seed
from training.common.running import run_script
from training.common.tables import markdown_table, percent
from training.research.intents.scope_bots import (
    SHOTS,
    CorpusVectors,
    ScopeBot,
    scope_bots,
)

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("corpus", None, "Two or more corpora.", required=True)
flags.DEFINE_string("foreign", None, "A corpus of texts that belong to no class.")
flags.DEFINE_string("base_learner", None, "A BERT encoder; the default one if None.")
flags.DEFINE_string("pretrained", None, "As in create_text_encoder.")
flags.DEFINE_float("recall", 0.97, "Share of own questions to let pass.", 0.5, 0.999)
define_count("bots", 1000, "Of each corpus, to fit to and again to judge on.", least=20)
define_count("texts", 60, "Of each class, at most.", least=20)
define_seed("seed", 0, "Fixes the draws.")
define_path("results", "results/scope.json", "The JSON file to write.")
define_path("delta", None, "On whose card to write the rule of all corpora.")


def main(argv: list[str]) -> None:
    if len(FLAGS.corpus) < 2:
        raise app.UsageError(
            "Give --corpus twice or more: each is judged by the others."
        )
    delta = Delta.load(FLAGS.delta) if FLAGS.delta else None
    corpora = [read_corpus(specification) for specification in FLAGS.corpus]
    encoder = create_text_encoder(
        FLAGS.base_learner, pretrained=FLAGS.pretrained, normalize=True
    )
    embedder = Embedder(encoder)
    found = [vectors_of(corpus, embedder) for corpus in corpora]
    foreign = np.zeros((0, found[0].vectors.shape[1]))
    if FLAGS.foreign is not None:
        foreign = embedder.embed_texts(read_corpus(FLAGS.foreign).texts)
    fitted = [list(drawn(corpus, foreign, FLAGS.seed)) for corpus in found]
    rows = []
    for place, corpus in enumerate(found):
        others = [bot for n, bots in enumerate(fitted) if n != place for bot in bots]
        judged = list(drawn(corpus, foreign, FLAGS.seed + 1))
        rows += rows_of(corpus.name, others, judged)
    path = Path(FLAGS.results)
    write_json(path, rows)
    table = scope_table(rows)
    write_aside(path.with_suffix(".md"), lambda aside: aside.write_text(table + "\n"))
    print(table)
    if delta is not None:
        every = [bot.asked for bots in fitted for bot in bots]
        calibration = calibration_of_bots(every, recall=FLAGS.recall)
        card = {**delta.card, "calibration": asdict(calibration)}
        replace(delta, card=card).save(FLAGS.delta)
        print(f"{FLAGS.delta}: {calibration}")


def vectors_of(corpus: Corpus, embedder: Embedder) -> CorpusVectors:
    """Vectors of up to --texts texts of each class, and of the names."""
    print(f"{corpus.name}: embedding", flush=True)
    labels = np.array([corpus.classes.index(label) for label in corpus.labels])
    random = np.random.default_rng(FLAGS.seed)
    rows = np.concatenate(
        [
            random.permutation(np.flatnonzero(labels == number))[: FLAGS.texts]
            for number in range(len(corpus.classes))
        ]
    )
    return CorpusVectors(
        "/".join(Path(corpus.name).parts[-2:]),
        embedder.embed_texts([corpus.texts[row] for row in rows]),
        labels[rows],
        embedder.embed_texts([name_as_words(name) for name in corpus.classes]),
    )


def drawn(corpus: CorpusVectors, foreign: np.ndarray, seed: int) -> Any:
    return scope_bots(corpus, foreign, bots=FLAGS.bots, seed=seed)


def rows_of(
    name: str, fitted: Sequence[ScopeBot], judged: Sequence[ScopeBot]
) -> list[dict[str, Any]]:
    """What passes by each rule, by number of examples."""
    own = np.concatenate([scope_scores(bot.asked.logits) for bot in fitted])
    plain = float(np.quantile(own, 1 - FLAGS.recall))
    rule = calibration_of_bots([bot.asked for bot in fitted], recall=FLAGS.recall)
    rows = []
    for shots in SHOTS:
        bots = [bot for bot in judged if bot.shots == shots]
        for label, thresholds in (
            ("one threshold", [plain] * len(bots)),
            ("rule", [float(rule.threshold_of(b.asked.features)) for b in bots]),
        ):
            row: dict[str, Any] = {"corpus": name, "by": label, "examples": shots}
            for side, scores in (
                ("own", [scope_scores(bot.asked.logits) for bot in bots]),
                ("near", [bot.near for bot in bots]),
                ("far", [bot.far for bot in bots]),
            ):
                passed = [
                    np.mean(one >= least)
                    for one, least in zip(scores, thresholds, strict=True)
                    if len(one)
                ]
                if passed:
                    row[side] = round(float(np.mean(passed)), 4)
                    spread = 1.96 * np.std(passed) / np.sqrt(len(passed))
                    row[f"{side}_ci95"] = round(float(spread), 4)
            rows.append(row)
    return rows


def scope_table(rows: Sequence[dict[str, Any]]) -> str:
    """Lines of `rows_of`, percentages.

    Example:

    >>> print(scope_table([{"corpus": "d", "by": "rule", "examples": 1, "own": 0.9,
    ...                     "own_ci95": 0.01, "near": 0.1, "near_ci95": 0.02}]))
    | judged on | by | examples | own pass | of other classes | of none |
    |---|---|---|---|---|---|
    | d | rule | 1 | 90.0 ± 1.0 | 10.0 ± 2.0 |  |
    """
    return markdown_table(
        ["judged on", "by", "examples", "own pass", "of other classes", "of none"],
        [
            [
                row["corpus"],
                row["by"],
                row["examples"],
                *(
                    percent(row[side], row[f"{side}_ci95"]) if side in row else ""
                    for side in ("own", "near", "far")
                ),
            ]
            for row in rows
        ],
    )


if __name__ == "__main__":
    run_script(main)
