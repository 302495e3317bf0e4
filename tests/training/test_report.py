"""The report on a bot, from files to a page."""

import json

from script_runs import run
from serving.small_exports import exports

ROWS = [f"{word} {n},{word}" for word in ("pay", "lock", "send") for n in range(3)]


def test_a_page_and_figures_are_written(tmp_path):
    bot, asked = tmp_path / "bot.csv", tmp_path / "asked.csv"
    bot.write_text("text,label\n" + "\n".join(ROWS))
    asked.write_text("text,label\npay 1,pay\nlock 9,lock\nwhat now,other\n")
    flags = (
        f"--support=csv:{bot}",
        f"--saved_model={exports('prototypical').folder}",
        f"--output_dir={tmp_path / 'report'}",
    )
    done = run("report", *flags, f"--test=csv:{asked}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Of 2 questions" in done.stdout and done.stderr == ""
    found = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (found["examples"], found["accuracy"]["of"]) == (9, 2)
    assert found["foreign_refused"]["of"] == 1
    assert "asked.csv" in (tmp_path / "report" / "index.html").read_text()


def test_without_questions_the_examples_themselves_are_asked(tmp_path):
    bot = tmp_path / "bot.csv"
    bot.write_text("text,label\n" + "\n".join(ROWS))
    done = run(
        "report",
        f"--support=csv:{bot}",
        f"--saved_model={exports('prototypical').folder}",
        f"--output_dir={tmp_path}",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["accuracy"]["of"] == 9 == found["foreign_refused"]["of"]
    assert "cross-validation" in found["method"]


def test_a_bot_of_one_intent_is_refused_in_a_sentence(tmp_path):
    bot = tmp_path / "bot.csv"
    bot.write_text("text,label\nhello,greet\nhi you,greet\n")
    done = run(
        "report",
        f"--support=csv:{bot}",
        f"--saved_model={exports('prototypical').folder}",
        f"--output_dir={tmp_path / 'report'}",
    )
    assert done.returncode == 1 and "two intents or more" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "report").exists()
