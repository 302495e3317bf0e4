"""The tokenizer of GGUF files against Hugging Face's, on awkward text."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from gguf_writing import MERGES, vocabulary

from maml_tf.base_learners import byte_level_tokenizer
from maml_tf.base_learners.byte_level_tokenizer import ByteLevelTokenizer

AWKWARD = [
    "",
    "hello world",
    "  two  spaces   here ",
    "a1b22 333  4",
    "don't I'll we'VE 's 'S '''s",
    "\n\n\nfoo\n \nbar\t\tbaz \n",
    "\U0001f600\U0001f469‍\U0001f469‍\U0001f467 café",
    "你好,世界。",
    "  x\u3000\u3000y\xa0\xa0z\u2009 q\x0b\x0bw\x85v",
    "<|im_start|>user\nhi<|im_end|>",
    "!\x04!a\x04b\x00c\x1d",
    "²½Ⅷ٣",
    "trailing   ",
    "trailing\n",
    "é ñ Ĵ ६ a",
    "\r\n\r\nx",
    " \n 's",
    "x" * 50 + " " * 30 + "y",
    "\u200b\ufeffq",
]
# Bytes without a token, as SmolLM2 lacks some.
LACKING = {"Ą", "Ķ", "ñ"}


def reference(words, split_digits):
    tokenizers = pytest.importorskip("tokenizers")
    parts = [tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)]
    if split_digits:
        parts.insert(0, tokenizers.pre_tokenizers.Digits(individual_digits=True))
    pairs = [tuple(merge.split(" ")) for merge in MERGES]
    found = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=words, merges=pairs))
    found.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(parts)
    return found


@pytest.fixture(params=[True, False], ids=["digits split", "digits together"])
def pair(request):
    words = {t: n for n, t in enumerate(vocabulary()) if t not in LACKING}
    ours = ByteLevelTokenizer(words, MERGES, split_digits=request.param)
    return ours, reference(words, request.param)


def test_awkward_texts(pair):
    ours, theirs = pair
    for text, ids in zip(AWKWARD, ours(AWKWARD).to_list(), strict=True):
        assert ids == theirs.encode(text).ids, repr(text)


def test_random_texts(pair):
    ours, theirs = pair
    rng = np.random.default_rng(0)
    letters = list("helo'st 12.\n\t  é你\x04!<|_\x00\xa0")
    texts = ["".join(rng.choice(letters, rng.integers(1, 20))) for _ in range(300)]
    assert ours(texts).to_list() == [theirs.encode(text).ids for text in texts]


def test_bytes_that_are_no_text(pair):
    ours, theirs = pair
    wrong = b"\xffhe\xfello\xc3"
    ids = ours([wrong]).to_list()[0]
    assert ids == theirs.encode(wrong.decode(errors="replace")).ids


def test_saving_and_a_graph(tmp_path):
    words = {token: number for number, token in enumerate(vocabulary())}
    ours = ByteLevelTokenizer(words, MERGES, split_digits=True)
    config = keras.saving.serialize_keras_object(ours)
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.split_digits
    ours.save_assets(str(tmp_path))
    copy.load_assets(str(tmp_path))
    module = tf.Module()
    module.tokenizer = copy
    module.call = tf.function(
        lambda texts: copy(texts).to_tensor(-1),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    expected = ours(AWKWARD).to_tensor(-1)
    np.testing.assert_array_equal(loaded.call(tf.constant(AWKWARD)), expected)
    assert ours.detokenize(ours("hello 你")) == "hello 你"


def test_one_text_gives_one_row():
    words = {token: number for number, token in enumerate(vocabulary())}
    ours = ByteLevelTokenizer(words, MERGES)
    assert ours("hello").shape == (1,)
    assert ours("").shape == (0,)


def test_words_are_kept_up_to_a_number_and_tokenised_beyond(monkeypatch):
    monkeypatch.setattr(byte_level_tokenizer, "MOST_KEPT", 8)
    words = {token: number for number, token in enumerate(vocabulary())}
    ours, theirs = ByteLevelTokenizer(words, MERGES), reference(words, False)
    texts = ["h" * 200, *(f"hel{n} lo{n}hello lo{n}hello" for n in range(20))]
    for _ in range(2):
        for text in texts:
            assert ours([text]).to_list() == [theirs.encode(text).ids]
        assert 0 < int(ours.cache.id2value.size()) <= 8
    assert ours(["h" * 200])[0].shape[0] > 1
    kept = ours.cache.lookup(tf.constant(["hel", "h" * 200])).numpy()
    assert kept[0] and not kept[1]
