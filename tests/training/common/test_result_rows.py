"""One rule for the rows that every benchmark keeps."""

import json

import pytest

from training.common.result_rows import DERIVED, RUN, ResultRows


def total(rows):
    return [{"name": "sum", "value": sum(row["value"] for row in rows)}]


def test_a_place_holds_its_newest_row_and_what_follows_is_written_behind(tmp_path):
    path = tmp_path / "rows.json"
    rows = ResultRows(path, place=("name",), derive=total)
    rows.keep("a", [{"name": "x", "value": 1}, {"name": "y", "value": 2}])
    rows.keep("b", [{"name": "x", "value": 5}])
    again = ResultRows(path, place=("name",), derive=total)
    assert again.all() == [{"name": "y", "value": 2}, {"name": "x", "value": 5}]
    assert again.of("a") == [{"name": "y", "value": 2}] and again.of("c") == []
    written = json.loads(path.read_text())
    assert written[-1] == {"name": "sum", "value": 7, RUN: DERIVED}
    again.keep("b", [{"name": "x", "value": 6}])
    assert json.loads(path.read_text())[-1]["value"] == 8


def test_rows_that_do_not_say_what_they_were_made_under_are_left_out(tmp_path, capsys):
    path = tmp_path / "rows.json"
    path.write_text('[{"name": "x", "value": 1}, {"name": "y", "run": "a"}]')
    rows = ResultRows(path)
    assert rows.all() == [{"name": "y"}]
    assert "1 rows of" in capsys.readouterr().out


def test_a_row_of_no_number_leaves_the_file_as_it_was(tmp_path):
    rows = ResultRows(tmp_path / "rows.json")
    rows.keep("a", [{"value": 1.0}])
    before = rows.path.read_text()
    with pytest.raises(ValueError, match="JSON"):
        rows.keep("b", [{"value": float("nan")}])
    assert rows.path.read_text() == before
