"""Encoders with BERT's body and XLM-R's SentencePiece vocabulary, and text prefixes."""

import io
import json
import os
import pathlib

import keras
import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from base_learner_checks import saved_and_loaded
from safetensors.numpy import save_file

from maml_tf import PrototypicalNetwork
from maml_tf.base_learners import BaseLearnerError, create_model, create_text_encoder
from maml_tf.serving import Client, export_learner

TEXTS = ["打开 灯", "turn on the light", "schalte das licht an"]
REAL = os.environ.get("MAML_TF_MULTILINGUAL_ENCODER")
needs_real = pytest.mark.skipif(
    not REAL,
    reason="MAML_TF_MULTILINGUAL_ENCODER names no directory of multilingual-e5-small",
)


@pytest.fixture(scope="module")
def pieces() -> bytes:
    """A SentencePiece model of a few words, as XLM-R numbers its special pieces."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*TEXTS, "query: a"] * 10),
        model_writer=written,
        vocab_size=80,
        hard_vocab_limit=False,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        minloglevel=2,
    )
    return written.getvalue()


@pytest.fixture(scope="module")
def directory(pieces, tmp_path_factory) -> pathlib.Path:
    """A Hugging Face directory of one layer of width 8 with random weights."""
    folder = tmp_path_factory.mktemp("multilingual")
    size = sentencepiece.SentencePieceProcessor(model_proto=pieces).vocab_size() + 2
    random = np.random.default_rng(0)
    shapes = {
        "embeddings.word_embeddings.weight": (size, 8),
        "embeddings.position_embeddings.weight": (32, 8),
        "embeddings.token_type_embeddings.weight": (2, 8),
        "embeddings.LayerNorm.weight": (8,),
        "embeddings.LayerNorm.bias": (8,),
        "pooler.dense.weight": (8, 8),
        "pooler.dense.bias": (8,),
    }
    layer = {
        "attention.self.query": (8, 8),
        "attention.self.key": (8, 8),
        "attention.self.value": (8, 8),
        "attention.output.dense": (8, 8),
        "intermediate.dense": (16, 8),
        "output.dense": (8, 16),
    }
    for name, shape in layer.items():
        shapes[f"encoder.layer.0.{name}.weight"] = shape
        shapes[f"encoder.layer.0.{name}.bias"] = shape[:1]
    for name in ("attention.output.LayerNorm", "output.LayerNorm"):
        shapes[f"encoder.layer.0.{name}.weight"] = (8,)
        shapes[f"encoder.layer.0.{name}.bias"] = (8,)
    save_file(
        {k: random.normal(size=s).astype("float32") for k, s in shapes.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "vocab_size": size,
        "max_position_embeddings": 32,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 1,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
    }
    tokenizer = {"tokenizer_class": "XLMRobertaTokenizer"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "sentencepiece.bpe.model").write_bytes(pieces)
    return folder


def expected_ids(pieces: bytes, text: str) -> list[int]:
    """XLM-R's numbering: <s> 0, </s> 2, <unk> 3, all else SentencePiece's plus one."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    return [0, *(3 if i == 0 else i + 1 for i in processor.encode(text)), 2]


@pytest.mark.parametrize("prefix", ["", "query: "])
def test_tokens_are_xlm_rs_in_python_and_in_a_graph(directory, pieces, prefix):
    encoder = create_text_encoder(
        str(directory), sequence_length=32, text_prefix=prefix
    )
    tokens = encoder.preprocessor(TEXTS)
    for row, text in enumerate(TEXTS):
        found = tokens["token_ids"][row][tokens["padding_mask"][row]].numpy()
        assert found.tolist() == expected_ids(pieces, prefix + text)
    assert set(tokens["token_ids"].numpy()[~tokens["padding_mask"].numpy()]) == {1}
    graph = tf.function(lambda texts: encoder.preprocessor(texts))
    for name, tensor in graph(tf.constant(TEXTS)).items():
        np.testing.assert_array_equal(tensor, tokens[name])


def test_padding_changes_nothing_and_the_file_holds_everything(directory, tmp_path):
    encoder = create_text_encoder(
        str(directory), sequence_length=32, text_prefix="query: ", normalize=True
    )
    assert encoder.exact_gelu
    tokens = encoder.preprocessor(TEXTS)
    vectors = encoder(tokens).numpy()
    for row in range(len(TEXTS)):
        length = int(tokens["padding_mask"][row].numpy().sum())
        alone = {k: v[row : row + 1, :length] for k, v in tokens.items()}
        np.testing.assert_allclose(encoder(alone)[0], vectors[row], atol=1e-6)
    loaded = saved_and_loaded(encoder, tmp_path)
    np.testing.assert_array_equal(loaded(loaded.preprocessor(TEXTS)), vectors)


def test_an_export_keeps_vocabulary_and_prefix(directory, tmp_path):
    encoder = create_text_encoder(
        str(directory), sequence_length=32, text_prefix="query: ", normalize=True
    )
    learner = PrototypicalNetwork(encoder)
    client = Client(export_learner(learner, tmp_path / "multilingual"))
    np.testing.assert_allclose(
        client.embed(TEXTS), encoder(encoder.preprocessor(TEXTS)), atol=1e-5
    )


def test_a_prefix_works_for_a_classifier_of_any_preset():
    plain = create_model(num_layers=1, hidden_dim=8, seed=0)
    prefixed = create_model(num_layers=1, hidden_dim=8, seed=0, text_prefix="a: ")
    np.testing.assert_array_equal(
        prefixed(prefixed.preprocessor(["hi"])), plain(plain.preprocessor(["a: hi"]))
    )


def test_a_missing_vocabulary_is_one_sentence(directory, tmp_path):
    for name in ("config.json", "tokenizer_config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((directory / name).read_bytes())
    with pytest.raises(BaseLearnerError, match=r"sentencepiece\.bpe\.model"):
        create_text_encoder(str(tmp_path), sequence_length=32)


# Five sentences an intent, and questions that share few characters with them.
CHINESE_BOT = {
    "查询余额": [
        "我的账户里还有多少钱",
        "查一下余额",
        "帮我看看卡上剩多少",
        "账户余额是多少",
        "我还有多少存款",
    ],
    "挂失银行卡": [
        "我的卡丢了",
        "银行卡被偷了怎么办",
        "请冻结我的卡",
        "卡找不到了，帮我挂失",
        "我把信用卡弄丢了",
    ],
    "转账": [
        "给妈妈转五百块",
        "我要汇款",
        "把钱转到另一个账户",
        "向朋友转一笔钱",
        "怎么给别人打钱",
    ],
    "营业时间": [
        "你们几点开门",
        "周末营业吗",
        "银行什么时候下班",
        "今天几点关门",
        "节假日上班吗",
    ],
}
CHINESE_QUESTIONS = {
    "卡里的钱还够吗": "查询余额",
    "钱包不见了，里面有银行卡": "挂失银行卡",
    "想给房东付房租": "转账",
    "星期天可以去柜台吗": "营业时间",
}


@needs_real
def test_a_chinese_bot_learns_from_five_sentences_an_intent(tmp_path):
    keras.utils.set_random_seed(0)
    encoder = create_text_encoder(
        REAL, text_prefix="query: ", normalize=True, sequence_length=32
    )
    client = Client(
        export_learner(PrototypicalNetwork(encoder, scale=10.0), tmp_path / "bot")
    )
    texts = [text for examples in CHINESE_BOT.values() for text in examples]
    labels = [name for name, examples in CHINESE_BOT.items() for _ in examples]
    bot = client.adapt(texts, labels)
    answers = client.predict(bot, list(CHINESE_QUESTIONS))
    assert answers.intents == list(CHINESE_QUESTIONS.values())
