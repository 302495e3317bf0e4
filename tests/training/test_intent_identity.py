"""What is kept of the intent benchmark is that of the very settings that are asked for.

Each test gives two settings the same work folder and compares the second with what a
fresh folder gives.
"""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from intent_corpora import write_colours

from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.split_encoder import UpperEncoder
from training.common.digests import encoder_digest
from training.common.rotation_settings import RotationSettings
from training.common.run import digest_of
from training.research.intents.benchmark_rows import BenchmarkRows
from training.research.intents.fold_evaluation import row_settings, run_fold
from training.research.intents.fold_learners import Benchmark, fold_vectors
from training.research.intents.intent_data import prepare
from training.research.intents.kept_vectors import kept_states, kept_vectors

# The setting does not reach into tf.data, and need not.
pytestmark = pytest.mark.filterwarnings("ignore:Even though the:UserWarning")

PRESET = "scratch:num_layers=2,hidden_dim=8,num_heads=2"
TEXTS = ["hello", "what is the weather", "turn on the lamp"]


@pytest.fixture(scope="module", autouse=True)
def _run_eagerly():
    """Each of the many encoders here would be compiled, to run a few times."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def dataset_dir(tmp_path_factory):
    return write_colours(tmp_path_factory.mktemp("data"))


def cut(seed=0, **options):
    encoder = create_text_encoder(
        PRESET, normalize=True, sequence_length=32, seed=seed, **options
    )
    return UpperEncoder(encoder, first_layer=1)


def vectors_of(upper, folder, texts=TEXTS):
    return kept_vectors(upper, kept_states(texts, upper, folder, "t"), folder, "t")


def test_vectors_are_those_of_the_encoder_that_is_asked(tmp_path):
    first = vectors_of(cut(0), tmp_path)
    other = cut(1)
    expected = other.encoder(other.preprocessor(TEXTS))
    found = vectors_of(other, tmp_path)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(vectors_of(cut(0), tmp_path), first)


def test_how_an_encoder_is_built_is_part_of_its_digest():
    plain = encoder_digest(cut(0).encoder)
    assert plain == encoder_digest(cut(0).encoder)
    others = [cut(1), cut(0, pooling="first"), cut(0, lora_rank=1)]
    digests = [encoder_digest(each.encoder) for each in others]
    assert len({plain, *digests}) == 4


def test_vectors_of_weights_that_changed_are_made_anew(tmp_path):
    upper = cut(0)
    lower = kept_states(TEXTS, upper, tmp_path, "t")
    before = kept_vectors(upper, lower, tmp_path, "t")
    random = np.random.default_rng(0)
    for variable in upper.upper_layers[0].trainable_variables:
        variable.assign_add(random.normal(size=variable.shape))
    after = kept_vectors(upper, lower, tmp_path, "t")
    expected = upper.encoder(upper.preprocessor(TEXTS))
    assert np.abs(after - before).max() > 1e-2
    np.testing.assert_allclose(after, expected, rtol=1e-3, atol=1e-4)


def test_vectors_of_other_texts_or_rows_are_their_own(tmp_path):
    upper = cut(0)
    vectors_of(upper, tmp_path)
    others = ["hello", "what is the weather", "turn off the lamp"]
    expected = upper.encoder(upper.preprocessor(others)).numpy()
    lower = kept_states(others, upper, tmp_path, "t")
    picked = kept_vectors(upper, lower, tmp_path, "t", np.array([2, 0]))
    np.testing.assert_allclose(picked, expected[[2, 0]], rtol=1e-4, atol=1e-5)


def benchmark(folder, steps=2, seed=0, rate=1e-2):
    rotation = RotationSettings(steps, ways=4, learning_rate=rate, seed=seed)
    return Benchmark(PRESET, folder, 1, rotation, rotation, seed=seed)


def trained(folder, dataset_dir, learner="encoder", **options):
    one = benchmark(folder, **options)
    data = prepare(dataset_dir, one.upper, folder)
    return fold_vectors(one, data, "01", "full", learner, (1,), 3).test


def test_more_steps_in_the_same_folder_give_a_fresh_folders_vectors(
    dataset_dir, tmp_path
):
    few = trained(tmp_path / "same", dataset_dir, steps=2)
    many = trained(tmp_path / "same", dataset_dir, steps=9)
    fresh = trained(tmp_path / "fresh", dataset_dir, steps=9)
    assert np.abs(many - few).max() > 1e-3
    np.testing.assert_allclose(many, fresh, rtol=1e-5, atol=1e-6)


def test_an_encoder_goes_no_further_than_validation_classes_say(dataset_dir, tmp_path):
    # Trained at a rate that ruins it: the encoder that it started from is better.
    ruined = trained(tmp_path, dataset_dir, steps=3, rate=10.0)
    frozen = trained(tmp_path, dataset_dir, "frozen")
    np.testing.assert_allclose(ruined, frozen, rtol=1e-5, atol=1e-6)


def measured(folder, dataset_dir, results, *, one, ways=3, episodes=6, learner):
    data = prepare(dataset_dir, one.upper, folder)
    settings = row_settings(
        one, data.name, "01", "full", learner, shots=(1,), ways=ways, episodes=episodes
    )
    rows = BenchmarkRows(results)
    run_fold(one, data, settings, rows)
    return [
        {name: row[name] for name in ("accuracy", "ci95", "episodes", "ways", "seed")}
        for row in BenchmarkRows(results).rows()
    ]


@pytest.mark.parametrize(
    ("learner", "change"),
    [
        ("frozen", {"episodes": 9, "seed": 1}),
        ("projection", {"rate": 1e-4}),
    ],
)
def test_a_row_under_other_settings_is_measured_anew(
    dataset_dir, tmp_path, learner, change
):
    of_row = {k: v for k, v in change.items() if k in ("episodes", "ways")}
    of_run = {k: v for k, v in change.items() if k not in of_row}
    same, results = tmp_path / "same", tmp_path / "rows.json"
    first = benchmark(same)
    measured(same, dataset_dir, results, one=first, learner=learner)
    changed = benchmark(same, **of_run)
    found = measured(same, dataset_dir, results, one=changed, learner=learner, **of_row)
    fresh = tmp_path / "fresh"
    expected = measured(
        fresh,
        dataset_dir,
        tmp_path / "fresh.json",
        one=replace(changed, work_dir=fresh),
        learner=learner,
        **of_row,
    )
    assert found == expected


def test_all_that_a_row_depends_on_is_in_its_identity(tmp_path):
    def digest(learner="projection", shots=(1, 5), one=None, **changes):
        options = {"ways": 5, "episodes": 600, **changes}
        settings = row_settings(
            one or benchmark(tmp_path),
            "d",
            "01",
            "full",
            learner,
            shots=shots,
            **options,
        )
        return digest_of(settings[0], {})

    start = benchmark(tmp_path)
    others = [
        digest(ways=4),
        digest(episodes=20),
        digest(queries=4),
        digest(judge_on="validation"),
        digest(shots=(1,)),  # which the share of a projection is chosen by
        digest(one=replace(start, seed=1)),
        digest(one=replace(start, base_learner="scratch:num_layers=1")),
        digest(one=replace(start, pretrained="meta")),
        digest(one=replace(start, projection=RotationSettings(9))),
        digest("frozen"),
        digest("encoder"),
        digest("encoder", shots=(1,)),
    ]
    assert len({digest(), *others}) == len(others) + 1
    # Nor is anything in it that a learner does not depend on.
    longer = replace(start, encoder=RotationSettings(9))
    assert digest(one=longer) == digest()
    assert digest("encoder", one=longer) != digest("encoder")
    assert digest("frozen", shots=(1,)) == digest("frozen")


def test_a_finished_row_is_not_measured_again(dataset_dir, tmp_path, monkeypatch):
    results = tmp_path / "rows.json"
    one = benchmark(tmp_path)
    before = measured(tmp_path, dataset_dir, results, one=one, learner="frozen")

    def refuse(*arguments, **options):
        raise AssertionError("measured again")

    module = "training.research.intents.fold_evaluation.fold_vectors"
    monkeypatch.setattr(module, refuse)
    assert measured(tmp_path, dataset_dir, results, one=one, learner="frozen") == before
    with pytest.raises(AssertionError, match="measured again"):
        measured(tmp_path, dataset_dir, results, one=one, learner="frozen", episodes=7)
