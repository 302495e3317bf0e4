"""The one loop: killed anywhere, it ends at the same bits; it stops; it refuses."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from kills import KillAt, Killed

from maml_tf import PrototypicalNetwork
from maml_tf.episodes import EncodedCorpus, episode_dataset
from maml_tf.learners import TrainingDivergedError
from training.common.finished import NEWEST, PREVIOUS
from training.common.loop import meta_train
from training.common.run import Run, RunError

ROOT = Path(__file__).resolve().parents[3]
TASKS = {"ways": 2, "shots": 1, "queries": 2, "tasks_per_batch": 2}


@dataclass(frozen=True)
class Settings:
    name: str = "run"


def corpus():
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 6).astype("int32")
    rows = np.eye(4)[labels] + 0.5 * random.normal(size=(24, 4))
    return EncodedCorpus(rows.astype("float32"), labels, tuple("abcd"))


@functools.cache
def traced_learner():
    """Tracing takes seconds, so all tests train one learner again and again."""
    keras.utils.set_random_seed(3)
    # Dropout has a state of its own, which has to go on where it was.
    layers = [keras.layers.Dense(5, "tanh"), keras.layers.Dropout(0.3)]
    learner = PrototypicalNetwork(keras.Sequential([keras.Input((4,)), *layers]))
    learner.compile(keras.optimizers.AdamW(0.01))
    learner.optimizer.build(learner.trainable_variables)
    state = [*learner.variables, *learner.optimizer.variables]
    return learner, state, [v.numpy() for v in state]


def make_learner(rate=0.01):
    """As a new process makes it: with its initial weights."""
    learner, state, initial = traced_learner()
    for variable, array in zip(state, initial, strict=True):
        variable.assign(array)
    learner.optimizer.learning_rate.assign(rate)
    return learner


def batches(start):
    return episode_dataset(corpus(), **TASKS, seed=5, start_step=start)


def score(learner):
    """Depends on every weight, and goes up and down."""
    total = sum(float(np.sum(np.sin(50 * v.numpy()))) for v in learner.weights)
    return {"validation_accuracy": total}


def train(folder, *, steps=12, settings=None, **options):
    options = {"validate": score, "validate_every": 4, "part": 3, **options}
    learner = options.pop("learner", None) or make_learner()
    with Run(folder, settings or Settings()) as run:
        progress = meta_train(run, learner, batches, steps=steps, **options)
    return learner, progress


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    learner, progress = train(folder)
    assert progress.step == 12
    return folder, [v.numpy() for v in learner.variables], progress


def assert_same(folder, learner, progress, whole):
    assert progress.rows == whole[2].rows and progress.best_step == whole[2].best_step
    for mine, theirs in zip(learner.variables, whole[1], strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs)
    written = (folder / "metrics.jsonl").read_text()
    assert written == (whole[0] / "metrics.jsonl").read_text()


@pytest.mark.parametrize("step", [1, 5, 8, 11])
def test_killed_while_it_trains(tmp_path, whole, step, monkeypatch):
    # Every stop writes a checkpoint, also those between two validations.
    monkeypatch.setattr("training.common.loop.SECONDS_BETWEEN_CHECKPOINTS", -1)
    with pytest.raises(Killed):
        train(tmp_path, callbacks=(KillAt(step),))
    assert_same(tmp_path, *train(tmp_path), whole)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("half", [False, True])
def test_killed_while_it_writes_a_checkpoint(
    tmp_path, whole, number, half, monkeypatch
):
    from training.common import checkpoint

    save, calls = checkpoint.save_file, []

    def kill(arrays, path, header):
        calls.append(path)
        if len(calls) == number:
            if half:
                path.write_bytes(b"half")
            raise Killed
        save(arrays, path, header)

    monkeypatch.setattr(checkpoint, "save_file", kill)
    with pytest.raises(Killed):
        train(tmp_path)
    monkeypatch.undo()
    assert_same(tmp_path, *train(tmp_path), whole)


def test_done_is_done_and_lost_files_are_written_again(tmp_path, whole):
    train(tmp_path)
    for change in (
        lambda path: path.unlink(),
        lambda path: path.write_text('{"step"'),
        lambda path: path.write_text("[]"),
    ):
        change(tmp_path / "metrics.jsonl")
        assert_same(tmp_path, *train(tmp_path), whole)


def test_a_checkpoint_that_cannot_be_used_gives_way_to_the_one_before(
    tmp_path, whole, capsys
):
    other = tmp_path / "other"
    train(other, settings=Settings("other"))
    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(
        tmp_path / "plain.keras"
    )
    foreign = (other / NEWEST).read_bytes()
    plain = (tmp_path / "plain.keras").read_bytes()
    for place, (content, said) in enumerate(
        (
            (foreign, "is the checkpoint of another run"),
            (plain, "no checkpoint of a run, or it is truncated"),
            (b"", "no checkpoint of a run, or it is truncated"),
            (None, "no checkpoint of a run, or it is truncated"),
        )
    ):
        folder = tmp_path / f"run{place}"
        train(folder)
        kept = (folder / PREVIOUS).read_bytes()
        newest = (folder / NEWEST).read_bytes()
        (folder / NEWEST).write_bytes(newest[:200] if content is None else content)
        learner, progress = train(folder)
        assert_same(folder, learner, progress, whole)
        told = capsys.readouterr().out
        assert said in told and "Going on from the one before it" in told
        # The bad one did not push out the good one.
        assert (folder / PREVIOUS).read_bytes() == kept
        (folder / PREVIOUS).unlink()
        (folder / NEWEST).write_bytes(b"" if content is None else content)
        with pytest.raises(RunError, match="Delete what cannot be used"):
            train(folder)


def test_the_learner_ends_with_its_best_weights_and_goes_on_from_its_last(tmp_path):
    scores = {4: 0.5, 8: 0.9, 12: 0.7, 16: 0.6}
    seen = {}

    def validate(learner):
        step = int(learner.optimizer.iterations.numpy())
        seen[step] = [v.numpy() for v in learner.variables]
        return {"validation_accuracy": scores[step]}

    learner, progress = train(tmp_path, validate=validate)
    assert progress.best_step == 8
    for variable, array in zip(learner.variables, seen[8], strict=True):
        np.testing.assert_array_equal(variable.numpy(), array)
    learner, progress = train(tmp_path, validate=validate, steps=16)
    assert progress.best_step == 8 and sorted(seen) == [4, 8, 12, 16]
    parts = [v.numpy() for v in learner.variables]
    straight, _ = train(tmp_path / "straight", validate=validate, steps=16)
    for one, two in zip(parts, straight.variables, strict=True):
        np.testing.assert_array_equal(one, two.numpy())


def test_a_running_average_is_validated_and_the_training_goes_on_without(tmp_path):
    keras.utils.set_random_seed(3)
    rates = iter(range(100))
    seen, steps = [], []

    def make():
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        learner = PrototypicalNetwork(model)
        learner.compile(keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.75))
        return learner

    class Weights(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(self.model.trainable_variables[0].numpy())

    def validate(learner):
        seen.append(learner.trainable_variables[0].numpy())
        return {"validation_accuracy": next(rates)}

    learner = make()
    start = learner.trainable_variables[0].numpy()
    options = {"validate": validate, "validate_every": 2, "part": 1, "steps": 4}
    train(tmp_path, learner=learner, callbacks=(Weights(),), **options)
    average = start
    for place, weights in enumerate(steps):
        average = 0.75 * average + 0.25 * weights if place else weights
        if place in (1, 3):
            np.testing.assert_allclose(seen[place // 2], average, rtol=1e-5)
    np.testing.assert_array_equal(learner.trainable_variables[0].numpy(), seen[-1])
    # The checkpoint holds both: what was best, and what training goes on from.
    again = make()
    train(tmp_path, learner=again, **options)
    np.testing.assert_array_equal(again.trainable_variables[0].numpy(), seen[1])


def test_patience(tmp_path, capsys):
    values = iter([0.5, 0.9, 0.7, 0.9, 1.0])

    def validate(learner):
        return {"validation_accuracy": next(values)}

    options = {"validate": validate, "validate_every": 2, "steps": 100}
    _, progress = train(tmp_path, patience=2, **options)
    # An equal score is no better.
    assert (progress.step, progress.best_step) == (8, 4)
    assert "Stopped after step 8" in capsys.readouterr().out
    _, progress = train(tmp_path, patience=2, **options)
    assert progress.step == 8, "a run that stopped does not go on by itself"
    _, progress = train(tmp_path, patience=3, **{**options, "steps": 10})
    assert (progress.step, progress.best_step) == (10, 10)


def test_the_start_can_be_the_best_and_of_equals_the_last(tmp_path):
    values = iter([0.5, 0.4, 0.5, 0.3])

    def validate(learner):
        return {"validation_accuracy": next(values)}

    options = {"validate": validate, "validate_every": 2, "judge_start": True}
    _, progress = train(tmp_path / "first", steps=4, patience=2, **options)
    assert [row["step"] for row in progress.rows] == [0, 2, 4]
    assert progress.best_step == 0 and "loss" not in progress.rows[0]
    learner = make_learner()
    initial = [v.numpy() for v in learner.variables]
    values = iter([0.5, 0.4, 0.3])
    learner, progress = train(tmp_path / "start", learner=learner, steps=4, **options)
    assert progress.best_step == 0
    for variable, array in zip(learner.variables, initial, strict=True):
        np.testing.assert_array_equal(variable.numpy(), array)
    values = iter([0.5, 0.4, 0.5, 0.3])
    options["prefer_later"] = True
    _, progress = train(tmp_path / "last", steps=6, **options)
    assert progress.best_step == 4


def test_the_loss_of_a_row_is_the_mean_since_the_last(tmp_path):
    _, progress = train(tmp_path / "parts", part=3)
    losses = []
    _, single = train(
        tmp_path / "single",
        part=1,
        callbacks=(
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: losses.append(logs["loss"])
            ),
        ),
    )
    assert len(losses) == 12
    for number, (one, two) in enumerate(zip(progress.rows, single.rows, strict=True)):
        mean = np.mean(losses[4 * number : 4 * number + 4])
        assert one["loss"] == pytest.approx(mean, rel=1e-6)
        assert two["loss"] == pytest.approx(mean, rel=1e-6)


def test_divergence_ends_in_a_sentence_and_keeps_the_checkpoint(tmp_path):
    def validate(learner):
        return {"validation_accuracy": float("nan")}

    train(tmp_path, steps=4)
    kept = (tmp_path / NEWEST).read_bytes()
    with pytest.raises(RunError, match="validation_accuracy is nan after step 8"):
        train(tmp_path, validate=validate)
    assert (tmp_path / NEWEST).read_bytes() == kept
    with pytest.raises((RunError, TrainingDivergedError), match="lower"):
        train(tmp_path / "fast", learner=make_learner(1e30), steps=40)


def test_without_validation_the_last_weights_stay(tmp_path):
    learner, progress = train(tmp_path, validate=None)
    assert progress.rows == [] and progress.best_step is None
    assert progress.seconds > 0 and int(learner.optimizer.iterations.numpy()) == 12
    last = [v.numpy() for v in learner.variables]
    again, _ = train(tmp_path, validate=None)
    for one, two in zip(last, again.variables, strict=True):
        np.testing.assert_array_equal(one, two.numpy())


def test_asked_to_end_it_ends_in_order(tmp_path, whole, capsys):
    class Ask(KillAt):
        def on_train_batch_end(self, batch, logs=None):
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        train(tmp_path, callbacks=(Ask(5),))
    assert end.value.code == 143 and signal.getsignal(signal.SIGTERM) is before
    assert "stopped after step 6." in capsys.readouterr().out
    learner, progress = train(tmp_path)
    assert "Going on after step 6" in capsys.readouterr().out
    assert_same(tmp_path, learner, progress, whole)


@pytest.mark.fuzz
def test_killed_at_random_moments(tmp_path, whole):
    """Once in the suite, thirty times in `make fuzz`, always in the same folder."""
    code = (
        "import sys, time; sys.path[:0] = ['tests', 'tests/training/common']\n"
        "import test_loop, training.common.loop\n"
        "training.common.loop.SECONDS_BETWEEN_CHECKPOINTS = -1\n"
        "class Slow(test_loop.KillAt):\n"
        "    def on_train_batch_end(self, batch, logs=None):\n"
        "        time.sleep(0.05)\n"
        "test_loop.train(sys.argv[1], callbacks=(Slow(0),), steps=2000)"
    )
    random = np.random.default_rng()
    times = int(os.environ.get("MAML_TF_FUZZ_TIMES", "1"))
    # What is trained until then is trained twice more at the end.
    longest = 1.5 if times > 1 else 0.3
    for number in range(times):
        running = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert running.stdout.readline(), running.stderr.read()[-2000:]
        time.sleep(random.uniform(0, longest))
        running.kill()
        running.wait()
        rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(row)["step"] for row in rows][: 2 + number]
    done = json.loads(rows[-1])["step"]
    end = max(12, done + 8)
    there = train(tmp_path / "whole", steps=end)
    here = train(tmp_path, steps=end)
    arrays = [v.numpy() for v in there[0].variables]
    assert here[1].rows == there[1].rows
    for mine, theirs in zip(here[0].variables, arrays, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs)


def test_a_real_kill(tmp_path, whole):
    code = (
        "import os, signal, sys; sys.path[:0] = ['tests', 'tests/training/common']\n"
        "import test_loop, keras\n"
        "class Kill(test_loop.KillAt):\n"
        "    def on_train_batch_end(self, batch, logs=None):\n"
        "        self.left -= 1\n"
        "        self.left or os.kill(os.getpid(), signal.SIGKILL)\n"
        "test_loop.train(sys.argv[1], callbacks=(Kill(10),))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [4, 8]
    assert_same(tmp_path, *train(tmp_path), whole)
