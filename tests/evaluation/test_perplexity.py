"""A language model's losses of people's queries, before and after adapting."""

from contextlib import contextmanager

import numpy as np
import pytest

from maml_tf import MAML
from maml_tf.base_learners import NextTokenLoss
from maml_tf.base_learners.chat_template import ChatTemplate
from maml_tf.base_learners.scratch_causal_lm import make_scratch_causal_lm
from maml_tf.episodes.dialogue_tokens import encode_dialogues
from maml_tf.episodes.dialogues import Dialogue, DialogueCorpus, Turn
from maml_tf.evaluation.perplexity import PersonaScorer, persona_tasks

TEMPLATE = ChatTemplate((), (1,), (2,), (3,))


def _encoded(counts):
    dialogues = tuple(
        Dialogue(name, (Turn(f"hi {n}", False), Turn(f"I am {name}" * (n + 1), True)))
        for name, count in counts.items()
        for n in range(count)
    )
    corpus = DialogueCorpus(dialogues, "made")
    return encode_dialogues(
        corpus,
        lambda texts: [list(text.encode()) for text in texts],
        TEMPLATE,
        max_length=128,
    )


@pytest.mark.parametrize("blocks", [None, 1])
def test_losses_are_those_of_the_adapted_model_itself(blocks):
    """With layers that adapting leaves alone, and without."""
    encoded = _encoded({"a": 4, "b": 5})
    model = make_scratch_causal_lm(
        num_layers=2, hidden_dim=8, num_heads=2, lora_rank=2, lora_blocks=blocks
    )
    learner = MAML(model, fast_weights="lora", inner_learning_rate=1.0, vectorized=True)
    learner.compile("sgd", loss=NextTokenLoss())
    scorer = PersonaScorer(learner, encoded, 2)
    variables = learner.inner_loop.fast_variables
    seen = set()
    for task in persona_tasks(encoded, most_support=3, query=2):
        for fast in scorer.adapted(task.support[:2]):
            for context in (0, 2):
                with _assigned(variables, [fast[name][0] for name in sorted(fast)]):
                    wanted = _by_the_model(model, encoded, task, context)
                found = scorer.loss(fast, task, context)
                np.testing.assert_allclose(found, wanted, rtol=1e-5)
                seen.add(round(found, 4))
    assert len(seen) == 2 * 3 * 2


@contextmanager
def _assigned(variables, values):
    before = [np.array(v) for v in variables]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    yield
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def _by_the_model(model, encoded, task, context):
    total = count = 0.0
    for query in task.query:
        before = [encoded.token_ids[row] for row in task.support[:context]]
        ids = np.concatenate([*before, encoded.token_ids[query]])[np.newaxis]
        likely = model({"token_ids": ids, "padding_mask": np.ones_like(ids)})[0]
        own = encoded.own[query]
        total -= float((likely.numpy()[-len(own) :] * own).sum())
        count += own.sum()
    return total / count


def test_whoever_has_fewer_dialogues_learns_from_fewer():
    encoded = _encoded({"a": 2, "b": 5, "c": 4})
    tasks = persona_tasks(encoded, most_support=2, query=2)
    assert [(t.group, len(t.support), len(t.query)) for t in tasks] == [
        ("b", 2, 2),
        ("c", 2, 2),
    ]
    (few,) = persona_tasks(_encoded({"a": 4}), most_support=9, query=1)
    assert len(few.support) == 3
