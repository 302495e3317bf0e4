"""Tests for a mutant are the quick ones that reach its line."""

from reached_lines import Reach

SECONDS = {"a.py::slow": 3.0, "b.py::quick": 0.1, "a.py::middle": 0.5, "b.py::late": 1}


def chosen(tmp_path, line, seconds=10.0):
    (tmp_path / "module.py").write_text(
        "x = 1\n\n\ndef f():\n    a = 1\n    return a\n"
    )
    reach = Reach(SECONDS, {"module.py": {1: [""], 5: ["a.py::slow", "a.py::middle"]}})
    reach.save(tmp_path / "reach.json")
    reach = Reach.load(tmp_path / "reach.json")
    return reach.quickest(tmp_path, "module.py", line, seconds)


def test_the_quick_ones_come_first_and_end_with_the_seconds(tmp_path):
    assert chosen(tmp_path, 5) == ["a.py::middle", "a.py::slow"]
    assert chosen(tmp_path, 5, seconds=3.4) == ["a.py::middle"]
    assert chosen(tmp_path, 5, seconds=0.2) == ["a.py::middle"]


def test_what_no_test_is_seen_to_reach(tmp_path):
    # Line 6 is of the same function; line 1 runs at import, so its file's tests count.
    assert chosen(tmp_path, 6) == chosen(tmp_path, 1) == chosen(tmp_path, 5)
    reach = Reach(SECONDS, {})
    (tmp_path / "other.py").write_text("x = 1\n")
    assert reach.quickest(tmp_path, "other.py", 1, 10.0) == [
        "b.py::quick",
        "b.py::late",
        "a.py::middle",
        "a.py::slow",
    ]
