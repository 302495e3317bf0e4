"""A small data set in the format of the intent benchmark."""

import json
from pathlib import Path

WORDS = ["red", "green", "blue", "black", "white", "brown", "pink", "grey"]
WORDS += ["cyan", "gold", "lime", "teal"]


def write_colours(folder: Path) -> Path:
    """Twelve intents of eleven texts, two folds; returns the data set's directory."""
    folder = folder / "colours"
    folder.mkdir()
    rows = [
        {"text": f"the {word} thing {number} is {word}", "label": word}
        for word in WORDS
        for number in range(11)
    ]
    (folder / "full.jsonl").write_text("\n".join(map(json.dumps, rows)))
    folds = {}
    for fold in (0, 1):
        turned = WORDS[4 * fold :] + WORDS[: 4 * fold]
        folds[f"0{fold + 1}"] = {
            "train": turned[:4],
            "valid": turned[4:8],
            "test": turned[8:],
        }
        few = [
            r for r in rows if r["label"] in turned[:4] and "thing 7" not in r["text"]
        ]
        path = folder / f"fold0{fold + 1}.train10.jsonl"
        path.write_text("\n".join(map(json.dumps, few)))
    (folder / "folds.json").write_text(json.dumps(folds))
    return folder
