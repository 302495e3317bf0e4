"""The recommended learner over other encoders: prefix and centre go where it goes."""

import keras
import numpy as np

from maml_tf.base_learners import create_text_encoder
from maml_tf.bot import Bot
from maml_tf.default_learner import default_learner
from maml_tf.serving import Client, export_learner

PRESET = "scratch:num_layers=1,hidden_dim=16,num_heads=2"
ELSEWHERE = ["turn on the lamp", "what is the weather", "play some jazz", "stop it"]
TEXTS = ["where is my parcel", "a pizza please"]


def expected():
    """Vectors by hand: of length 1, without the mean, of length 1 again."""
    encoder = create_text_encoder(PRESET, normalize=True, text_prefix="query: ")
    raw, others = (
        encoder(encoder.preprocessor(texts)).numpy().astype("float64")
        for texts in (TEXTS, ELSEWHERE)
    )
    moved = raw - others.mean(axis=0)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def test_the_centre_is_kept_in_files_and_exports(tmp_path):
    keras.utils.set_random_seed(1)
    wanted = expected()
    keras.utils.set_random_seed(1)
    learner = default_learner(PRESET, text_prefix="query: ", centre_texts=ELSEWHERE)
    base = learner.base_learner
    np.testing.assert_allclose(base(base.preprocessor(TEXTS)), wanted, atol=1e-5)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras").base_learner
    np.testing.assert_allclose(loaded(loaded.preprocessor(TEXTS)), wanted, atol=1e-5)
    client = Client(export_learner(learner, tmp_path / "export"))
    np.testing.assert_allclose(client.embed(TEXTS), wanted, atol=1e-5)
    bot = Bot(client).fit(TEXTS, ["track", "order"])
    assert bot.predict(TEXTS).tolist() == ["track", "order"]
