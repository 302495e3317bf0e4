"""Files that scripts write: checked before the work, whole after it."""

import os

import keras
import pytest
from absl import app

from training.common.files import check_output_file, load_model, read_json, write_json
from training.common.running import is_mistake, sentence


def test_a_file_that_cannot_be_written_is_told_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    check_output_file(tmp_path / "file")
    check_output_file(tmp_path / "new" / "deep.json")
    assert os.listdir(tmp_path) == ["file"]
    for path, message in (
        (tmp_path, "is a folder; name a file to write"),
        (tmp_path / "file" / "below.json", "is a file, so .* cannot be written"),
    ):
        with pytest.raises(OSError, match=message) as refused:
            check_output_file(path)
        assert is_mistake(refused.value)


def test_what_is_no_learner_is_refused(tmp_path):
    path = tmp_path / "model.keras"
    for content, message in ((b"", "may be truncated"), (None, "holds a Sequential")):
        if content is None:
            model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            model.save(path)
        else:
            path.write_bytes(content)
        with pytest.raises(app.UsageError, match=message):
            load_model(path)


def test_json(tmp_path):
    path = tmp_path / "new" / "a.json"
    assert read_json(path, missing=[]) == []
    write_json(path, {"a": 1})
    assert read_json(path, missing=[]) == {"a": 1}
    path.write_text("{")
    with pytest.raises(app.UsageError, match="is no JSON"):
        read_json(path, missing=[])


def test_an_error_of_the_machine_in_words():
    assert sentence(OSError(28, "No space left on device")) == (
        "No space left on device."
    )
    assert sentence(ValueError("As it is.")) == "As it is."
    assert not is_mistake(ZeroDivisionError("a fault of ours"))
