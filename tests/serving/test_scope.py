"""In scope or not: thresholds of each bot, and examples of what is for no intent."""

import keras
import numpy as np
import pytest
from serving.small_exports import LABELS, QUERIES, SIZES, SUPPORT, make_prototypical

from maml_tf import MAML, create_model
from maml_tf.evaluation import Calibration
from maml_tf.evaluation.scope_rule import ScopeRule, support_features
from maml_tf.serving import NEGATIVE, Client, RequestError
from maml_tf.serving.learner_transport import LearnerTransport
from maml_tf.text_lengths import crop_to_longest

RULE = ScopeRule((-0.3, 0.5, 0.1, 0.7, 0.2, 0.3, 0.1))


@pytest.fixture(scope="module")
def learner():
    keras.utils.set_random_seed(0)
    return make_prototypical()


def client_of(learner, **options):
    return Client(LearnerTransport(learner, **options))


def test_the_threshold_is_read_off_the_examples(learner):
    answers = client_of(learner, calibration=Calibration(2.0, RULE)).classify(
        SUPPORT, LABELS, QUERIES
    )

    def tokens(texts):
        cropped = crop_to_longest(learner.base_learner.preprocessor(texts))
        return {name: tensor[np.newaxis] for name, tensor in cropped.items()}

    numbers = np.array([0, 0, 1, 1])
    fast = learner.adapt(tokens(SUPPORT), numbers[np.newaxis])
    known, asked = (
        learner.predict_adapted(fast, tokens(texts))[0].numpy()
        for texts in (SUPPORT, QUERIES)
    )
    expected = asked.max(1) - RULE.threshold(support_features(known, numbers)).numpy()
    np.testing.assert_allclose(answers.margins, expected, atol=1e-5)
    np.testing.assert_array_equal(answers.in_scope, answers.margins >= 0)


@pytest.mark.parametrize("calibration", [None, Calibration(1.0, -1e6)])
def test_a_negative_example_keeps_its_like_out(learner, calibration):
    client = client_of(learner, calibration=calibration)
    foreign = "what is the weather in Paris"
    asked = [foreign, SUPPORT[0]]
    plain = client.classify(SUPPORT, LABELS, asked)
    taught = [*SUPPORT, foreign], [*LABELS, NEGATIVE]
    told = client.classify(*taught, asked)
    assert plain.class_names == told.class_names == ["light", "music"]
    ratio = told.probabilities / plain.probabilities
    np.testing.assert_allclose(ratio[:, 0], ratio[:, 1], rtol=1e-4)
    assert (ratio < 1).all()
    assert not told.in_scope[0] and told.margins[0] < 0
    again = client.predict(client.adapt(*taught), asked)
    np.testing.assert_allclose(again.margins, told.margins, atol=1e-6)


def test_a_negative_example_is_no_class_to_the_rule(learner):
    client = client_of(learner, calibration=Calibration(1.0, RULE))
    far = ["one two three four five six seven"]
    plain = client.classify(SUPPORT, LABELS, SUPPORT)
    told = client.classify([*SUPPORT, *far], [*LABELS, NEGATIVE], SUPPORT)
    behind = told.margins < plain.margins - 1e-5  # nearer to the negative example
    np.testing.assert_allclose(told.margins[~behind], plain.margins[~behind], atol=1e-5)
    assert not behind.all()


def test_a_lone_intent_is_told_from_negative_examples(learner):
    client = client_of(learner, calibration=Calibration(1.0, RULE))
    texts, labels = [SUPPORT[0], "will it rain"], ["light", NEGATIVE]
    answers = client.classify(texts, labels, texts)
    assert answers.intents == ["light"] * 2 and np.isfinite(answers.margins).all()
    assert answers.margins[1] < 0 and answers.margins[0] > answers.margins[1]


def test_a_batch_takes_the_label(learner):
    client = client_of(learner, calibration=Calibration(1.0, -1e6))
    taught = [*SUPPORT, "hello"], [*LABELS, NEGATIVE]
    one, other = (
        asked.classify(*taught, QUERIES)
        for asked in (client, Client(client.transport, batched=True))
    )
    np.testing.assert_allclose(one.margins, other.margins, atol=1e-5)


def test_a_fixed_number_of_classes_has_room_or_says_so():
    keras.utils.set_random_seed(0)
    base = create_model(num_classes=3, seed=0, **SIZES)
    client = client_of(MAML(base, inner_learning_rate=0.1, inner_steps=50))
    answers = client.classify([*SUPPORT, "hello"], [*LABELS, NEGATIVE], ["hello"])
    assert answers.class_names == ["light", "music"] and not answers.in_scope[0]
    with pytest.raises(RequestError, match=r"each negative example counts as one"):
        client.classify([*SUPPORT, "hello", "hm"], [*LABELS, NEGATIVE, NEGATIVE], ["x"])
