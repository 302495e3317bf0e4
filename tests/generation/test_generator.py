"""Generation in the graph against one token at a time without a cache."""

import warnings
from types import SimpleNamespace

import keras
import keras_nlp
import numpy as np
import pytest
import tensorflow as tf

from maml_tf.base_learners import BaseLearnerError
from maml_tf.base_learners.chat_template import ChatTemplate
from maml_tf.generation import Generator, Sampling
from maml_tf.generation.sampling import choose_tokens
from maml_tf.generation.stop_strings import before_stops
from maml_tf.inner_loop.functional_model import FunctionalModel

PROMPTS = [[104, 101, 108, 108], [104, 105], [100]]
END = 257
FAMILIES = {
    "llama": lambda: keras_nlp.models.LlamaBackbone(258, 2, 4, 16, 24, 2),
    "gpt2": lambda: keras_nlp.models.GPT2Backbone(
        258, 2, 2, 16, 24, dropout=0.0, max_sequence_length=32
    ),
}


def make_model(family="llama", seed=0, end=END):
    backbone = FAMILIES[family]()
    rng = np.random.default_rng(seed)
    backbone.set_weights([rng.normal(0, 0.5, w.shape) for w in backbone.get_weights()])
    return SimpleNamespace(
        backbone=backbone,
        tokenizer=keras_nlp.tokenizers.ByteTokenizer(lowercase=False, errors="ignore"),
        chat_template=ChatTemplate((), (256,), (256,), (end,)),
    )


def last_logits(model, ids):
    ids = np.array([ids])
    hidden = model.backbone({"token_ids": ids, "padding_mask": np.ones_like(ids)})
    return model.backbone.token_embedding(hidden, reverse=True)[:, -1]


def slowly(model, prompt, sampling, count):
    """One text, token by token, the whole text anew for each."""
    ids = list(prompt)
    for place in range(len(prompt), len(prompt) + count):
        token = int(choose_tokens(last_logits(model, ids), sampling, place)[0])
        if token >= 256:
            break
        ids.append(token)
    return ids[len(prompt) :]


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def model(request):
    return make_model(request.param)


@pytest.mark.parametrize(
    "sampling",
    [Sampling(), Sampling(1.5, seed=3), Sampling(2.0, 20, 0.9, seed=4)],
    ids=["greedy", "drawn", "cut"],
)
def test_the_cache_changes_nothing(model, sampling):
    found = Generator(model)(tf.ragged.constant(PROMPTS), sampling, max_new_tokens=6)
    expected = [slowly(model, prompt, sampling, 6) for prompt in PROMPTS]
    assert found.token_ids.to_list() == expected
    texts = [bytes(ids).decode(errors="ignore").encode() for ids in expected]
    assert found.texts.numpy().tolist() == texts


def test_a_text_ends_at_control_tokens_and_stop_strings(model):
    prompts = tf.ragged.constant(PROMPTS[:1])
    ids = slowly(model, PROMPTS[0], Sampling(), 6)
    ended = make_model(model.backbone.name.split("_")[0], end=ids[3])
    ended.backbone.set_weights(model.backbone.get_weights())
    found = Generator(ended)(prompts, max_new_tokens=6).token_ids.to_list()[0]
    assert found == ids[: ids.index(ids[3])]
    none = Generator(model)(prompts, max_new_tokens=0)
    assert none.texts.numpy().tolist() == [b""]


def test_stop_strings():
    # A model that repeats its input: every token follows itself.
    model = make_model()
    letters = iter("ab.cd")
    generator = Generator(model)
    generator._decoder.step = lambda tokens, cache, place: (
        tf.one_hot([ord(next(letters))], 258),
        cache,
    )
    found = generator(tf.ragged.constant([[104]]), max_new_tokens=5, stops=["zz", "."])
    assert found.texts.numpy().tolist() == [b"ab"]
    # It went no further than the stop string.
    assert bytes(found.token_ids.to_list()[0]) == b"ab."


def test_before_stops():
    texts = tf.constant(["one. two", "", "no", "a\nb.c"])
    cut = before_stops(texts, tf.constant([".", "", "\n"])).numpy().tolist()
    assert cut == [b"one", b"", b"no", b"a"]


def test_fast_weights_apply():
    model, other = make_model(seed=1), make_model(seed=2)
    backbone = model.backbone
    fast = backbone.trainable_variables[1:]
    functional = FunctionalModel(backbone, fast)
    constants = functional.constants()
    values = [tf.constant(v) for v in other.backbone.trainable_variables[1:]]
    prompts = tf.ragged.constant(PROMPTS)
    before = [v.numpy() for v in backbone.variables]
    generator = Generator(model)

    @tf.function
    def adapted(values, prompts):
        return generator.adapted(
            functional, values, constants, prompts, max_new_tokens=6
        ).token_ids

    found = adapted(values, prompts).to_list()
    for variable, value in zip(backbone.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    for variable, value in zip(fast, values, strict=True):
        variable.assign(value)
    assert found == Generator(model)(prompts, max_new_tokens=6).token_ids.to_list()
    assert found != [slowly(make_model(seed=1), p, Sampling(), 6) for p in PROMPTS]


def test_a_saved_model_tells_the_same(tmp_path):
    model = make_model()
    generator = Generator(model)
    archive = keras.export.ExportArchive()
    archive.track(model.backbone)
    names = ("temperature", "top_k", "top_p", "seed", "max_new_tokens", "stops")
    kinds = (tf.float32, tf.int32, tf.float32, tf.int32, tf.int32, tf.string)

    def generate(prompt, temperature, top_k, top_p, seed, max_new_tokens, stops):
        found = generator(
            tf.RaggedTensor.from_tensor(prompt[tf.newaxis]),
            Sampling(temperature, top_k, top_p, seed),
            max_new_tokens=max_new_tokens,
            stops=stops,
        )
        return {"texts": found.texts}

    shapes = ([], [], [], [], [], [None])
    archive.add_endpoint(
        "generate",
        generate,
        input_signature=[
            tf.TensorSpec([None], tf.int32, "prompt"),
            *map(tf.TensorSpec, shapes, kinds, names),
        ],
    )
    archive.write_out(str(tmp_path), verbose=False)
    served = tf.saved_model.load(str(tmp_path)).signatures["generate"]
    for values in [(0.0, 0, 1.0, 0), (2.0, 30, 0.95, 7), (2.0, 30, 0.95, 8)]:
        expected = generator(
            tf.ragged.constant(PROMPTS[:1]), Sampling(*values), max_new_tokens=8
        )
        inputs = dict(zip(names, (*values, 8, [""]), strict=True))
        inputs = {
            name: tf.constant(inputs[name], kind)
            for name, kind in zip(names, kinds, strict=True)
        }
        found = served(prompt=tf.constant(PROMPTS[0]), **inputs)["texts"]
        assert found.numpy().tolist() == expected.texts.numpy().tolist()


def test_draws_follow_the_probabilities():
    logits = tf.math.log(tf.constant([[0.5, 0.3, 0.15, 0.05]]))

    @tf.function
    def draw(sampling):
        return tf.map_fn(
            lambda place: choose_tokens(logits, sampling, place)[0], tf.range(2000)
        )

    def share(sampling):
        return np.bincount(draw(sampling), minlength=4) / 2000

    np.testing.assert_allclose(share(Sampling(1.0)), [0.5, 0.3, 0.15, 0.05], atol=0.04)
    np.testing.assert_allclose(share(Sampling(1.0, 2)), [0.625, 0.375, 0, 0], atol=0.04)
    # The third token is needed to reach 0.9.
    cut = share(Sampling(1.0, top_p=0.9))
    np.testing.assert_allclose(cut, [0.526, 0.316, 0.158, 0], atol=0.04)
    np.testing.assert_array_equal(share(Sampling(1.0, top_p=0.0)), [1, 0, 0, 0])


def test_an_encoder_generates_nothing():
    encoder = keras_nlp.models.BertBackbone(20, 1, 1, 4, 8)
    with pytest.raises(BaseLearnerError, match="no text with a BertBackbone"):
        Generator(SimpleNamespace(backbone=encoder, tokenizer=None, chat_template=None))


@pytest.mark.parametrize("family", FAMILIES)
def test_making_one_warns_of_nothing(family):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        Generator(make_model(family))
