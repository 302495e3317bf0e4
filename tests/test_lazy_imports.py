"""What is light to import stays so: a script's --help must not wait for TensorFlow."""

import subprocess
import sys

import maml_tf

HEAVY = {"tensorflow", "keras", "keras_nlp", "tensorflow_datasets"}


def loaded_after(code: str) -> set[str]:
    program = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_reading_a_corpus_loads_no_tensorflow():
    loaded = loaded_after(
        "from maml_tf.episodes import EpisodeSampler, read_corpus, split_classes\n"
        "corpus = read_corpus('home_assistant_intents:en')\n"
        "split_classes(corpus)"
    )
    assert "maml_tf.episodes.corpus" in loaded
    assert not loaded & HEAVY


def test_every_public_name_is_there_and_listed():
    for name in maml_tf.__all__:
        assert getattr(maml_tf, name).__name__ == name
        assert name in dir(maml_tf)
    assert maml_tf.learners.MAML is maml_tf.MAML
