"""The benchmark: equal work, what is counted, one compiled cluster, what is printed."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from script_runs import run

from training.common.result_rows import ResultRows
from training.research.meta_step import scaling, workloads
from training.research.meta_step.contenders import CONTENDERS, ours
from training.research.meta_step.matmul_flops import meta_step_flops
from training.research.meta_step.results import (
    PLACE,
    plot,
    sizes_digest,
    summary,
    table,
)
from training.research.meta_step.scaling import measure_scaling
from training.research.meta_step.stablehlo import CompiledStep, dump
from training.research.meta_step.timing import Unavailable, WorkerProcess, measure


@pytest.mark.parametrize("name", workloads.WORKLOADS)
def test_weights_are_those_of_the_keras_models(name):
    workload = workloads.find(name, toy_sizes=True)
    weights = workloads.make_weights(workload)
    learner = ours.create_learner(workload, 1)
    variables = {v.path: v for v in learner.base_learner.variables}
    # BERT's pooler is behind the token vectors and takes no part.
    assert {p for p in variables if not p.startswith("pooled_dense")} == set(weights)
    for path, value in weights.items():
        np.testing.assert_array_equal(variables[path], value)
    learned = {v.path for v in learner.trainable_variables}
    assert learned == {p for p in weights if workloads.is_meta_learned(workload, p)}
    fast = {v.path for v in learner.inner_loop.fast_variables}
    assert fast == {p for p in learned if workloads.is_fast(workload, p)}


def meta_gradient(name, workload, steps):
    contender = CONTENDERS[name].build(workload, steps)
    start = workloads.make_weights(workload)
    loss = contender.step()
    new = contender.weights()
    return loss, {
        path: (start[path] - new[path]) / workload.meta_learning_rate for path in new
    }


@pytest.mark.parametrize("name", ["W1", "W3", "W4", "W5"])
@pytest.mark.parametrize("peer", [n for n in CONTENDERS if not n.startswith("ours")])
def test_peers_compute_the_same_meta_gradient(name, peer, expected_gradients):
    pytest.importorskip(
        {"torchopt": peer, "higher": peer, "jax": peer}.get(peer, "torch")
    )
    if (name, peer) == ("W3", "torchopt"):
        pytest.skip("MetaSGD cannot leave the frozen weights of a module alone")
    workload = workloads.find(name, toy_sizes=True)
    expected_loss, expected = expected_gradients(name)
    loss, gradients = meta_gradient(peer, workload, 2)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert gradients.keys() == expected.keys()
    largest = max(np.abs(value).max() for value in expected.values())
    assert largest > 1e-3
    for path, value in expected.items():
        np.testing.assert_allclose(
            gradients[path], value, rtol=1e-3, atol=3e-5 * largest, err_msg=path
        )


@pytest.fixture(scope="module")
def expected_gradients():
    found = {}

    def get(name):
        if name not in found:
            workload = workloads.find(name, toy_sizes=True)
            found[name] = meta_gradient("ours", workload, 2)
        return found[name]

    return get


def test_products_of_a_conv_net_counted_by_hand():
    workload = dataclasses.replace(workloads.find("W4", True), layers=2)
    # Images of 7 x 7 give 4 x 4 and then 2 x 2 positions of 9 x channels inputs.
    first, second, head = 16 * 9 * 8, 4 * 72 * 8, 8 * 2
    once = 2 * workload.support * np.array([first, second, head])
    # Images have no gradient: 4 products in place of 9 for the first convolution.
    step = once @ [4, 9, 9]
    query = 2 * workload.queries * np.array([first, second, head]) @ [2, 3, 3]
    for inner_steps in (1, 3):
        expected = workload.tasks * (inner_steps * step + query)
        assert meta_step_flops(workload, inner_steps) == expected


def test_frozen_kernels_and_encoders_count_less():
    lora, anil = (workloads.find(name, True) for name in ("W3", "W5"))
    per_step = meta_step_flops(anil, 2) - meta_step_flops(anil, 1)
    # Only the head, 9 products less the 3 for features that the encoder passes on.
    assert per_step == anil.tasks * 2 * anil.support * anil.width * anil.ways * 6
    dense = dataclasses.replace(lora, fast="all_but_embeddings", lora_rank=None)
    assert meta_step_flops(lora, 1) < meta_step_flops(dense, 1)


def test_compiled_meta_step_is_one_cluster():
    workload = workloads.find("W4", toy_sizes=True)
    learner = ours.create_learner(workload, 1, jit_compile=True)
    x, y = workloads.make_episodes(workload)
    step = CompiledStep(learner, x, y)
    program = step.text("hlo")
    assert "dot(" in program
    assert " while(" not in program  # neither over tasks nor over anything else
    for host in ("callback", "infeed", "outfeed", "send(", "recv("):
        assert host not in program.lower()
    entry = next(line for line in program.splitlines() if line.startswith("ENTRY"))
    # An argument that is missing was taken for a constant: every batch would compile.
    arguments = len(re.findall(r"arg\d+\.\d+: ", entry))
    variables = [*learner.trainable_variables, *learner.dropped_tasks.variables]
    assert arguments == len(tf.nest.flatten((x, y))) + len(variables)


def test_dump_runs_elsewhere_with_the_same_numbers(tmp_path):
    pytest.importorskip("jax")
    workload = dataclasses.replace(workloads.find("W4", True), inner_steps=(1,))
    (program,) = dump(workload, tmp_path)
    done = run("run_stablehlo", f"--program={program}", "--repeats=1")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "meta-steps a second" in done.stdout
    arrays = dict(np.load(program.with_suffix(".npz")))
    arrays["result_0001"] = arrays["result_0001"] + 1
    np.savez(program.with_suffix(".npz"), **arrays)
    done = run("run_stablehlo", f"--program={program}", "--repeats=1")
    assert done.returncode != 0 and "not TensorFlow's" in done.stderr


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"memory_limit_mb": 1}, "needs more than 1 MiB"),
        ({"start_limit_seconds": 0.1}, "no first steps within 0 s"),
    ],
)
def test_contender_that_is_too_large_or_too_slow_is_listed(limit, reason):
    timings, missing = measure("W4", 2, ["ours"], repeats=1, toy=True, **limit)
    assert timings == {} and missing == {"ours": reason}


ROWS = [
    {
        "workload": workload,
        "contender": contender,
        "inner_steps": steps,
        "steps_per_second": speed,
        "peak_memory_mb": 500.0 + steps,
        "first_step_seconds": 3.0,
        "matmul_fraction": 0.5,
    }
    for workload, steps in (("W1", 5), ("W2", 10), ("W4", 5))
    for contender, speed in (("ours", 3.0), ("torch_loop", 2.0), ("jax", 1.0))
]


def test_a_contender_that_is_killed_is_missing_and_ends_nothing():
    worker = WorkerProcess("W4", 1, "ours", True, 1e9, 1e9)
    worker._process.kill()  # as the kernel does when memory runs out
    worker._process.wait()
    with pytest.raises(Unavailable, match="code -9"):
        worker.run(1)
    worker.close()


def test_scaling_is_of_equal_work(monkeypatch):
    """One part of a CPU and two take the same steps; the two have one's cores."""
    table = measure_scaling(
        ["W1"],
        "mirrored:2",
        toy=True,
        report=lambda line: None,
        repeats=1,
        seconds_a_turn=0.05,
    )
    name, _, devices, one, both, speed_up, efficiency = (
        cell.strip() for cell in table.splitlines()[2].strip("|").split("|")
    )
    assert (name, devices) == ("W1", "2 parts of one CPU")
    assert float(speed_up) == pytest.approx(float(both) / float(one), abs=0.02)
    assert efficiency == f"{100 * float(speed_up):.0f} %"
    monkeypatch.setattr(
        scaling, "measure", lambda *a, **k: ({}, {"ours": "no first steps"})
    )
    with pytest.raises(RuntimeError, match="no first steps"):
        measure_scaling(["W1"], "mirrored:2", toy=True, report=print)
    done = run("benchmark", "--strategy=multi_worker", "--toy")
    assert "training.train with it says how many seconds" in done.stderr


def test_table_and_plot(tmp_path):
    lines = table(ROWS).splitlines()
    assert len(lines) == 2 + len(ROWS)
    assert "| 3.00 | 1.50 | 505 | 3 | 50 % |" in lines[2]
    pytest.importorskip("matplotlib")
    plot(ROWS, tmp_path / "benchmark.png")
    assert (tmp_path / "benchmark.png").stat().st_size > 10_000


def test_table_from_a_file_and_flags_that_do_not_fit(tmp_path):
    results = tmp_path / "rows.json"
    results.write_text(json.dumps(ROWS))
    done = run("benchmark", "--table", f"--results={results}")
    assert done.stdout.strip() == table(ROWS)
    done = run("benchmark", "--workloads=W1,W9")
    assert done.returncode != 0 and "does not know W9" in done.stdout + done.stderr


def test_rows_of_toy_sizes_are_not_put_beside_the_others(tmp_path):
    results = tmp_path / "rows.json"
    rows = ResultRows(results, place=PLACE)
    rows.keep(sizes_digest(workloads.find("W1"), 5), ROWS[:1])
    before = results.read_text()
    done = run("benchmark", "--toy", "--workloads=W4", f"--results={results}")
    assert done.returncode != 0
    assert "holds rows of W1 that were not measured at toy sizes" in (
        done.stdout + done.stderr
    )
    assert results.read_text() == before


def test_a_document_gets_its_table_and_summary(tmp_path):
    results, document = tmp_path / "rows.json", tmp_path / "doc.md"
    results.write_text(json.dumps(ROWS))
    document.write_text(
        "Fast:\n<!-- benchmark summary -->\nold\n<!-- end of benchmark summary -->\n"
    )
    flags = ("--table", f"--results={results}", f"--document={document}")
    assert run("benchmark", *flags).returncode == 0
    assert summary(ROWS) in document.read_text()
    assert "old" not in document.read_text()
    document.write_text("no marks")
    done = run("benchmark", *flags)
    assert done.returncode != 0 and "<!-- benchmark" in done.stdout + done.stderr
    assert document.read_text() == "no marks"


def test_the_tables_of_the_documentation_are_those_of_the_results():
    root = Path(__file__).parents[2]
    rows = json.loads((root / "results" / "benchmark.json").read_text())
    document = (root / "docs" / "benchmark.md").read_text()
    assert table(rows) in document and summary(rows) in document
