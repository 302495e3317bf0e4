"""The export without Python: a C program, and TensorFlow's own command line."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text
from serving.small_exports import LABELS, QUERIES, SUPPORT, exports
from tensorflow.core.protobuf import saved_model_pb2

from maml_tf.serving import load_signatures

SOURCE = Path(__file__).with_name("run_saved_model.c")
OPERATIONS = Path(tensorflow_text.__file__).parent / "python" / "ops"
INVALID_ARGUMENT = 3


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: apt-get install gcc")
    library = Path(tf.sysconfig.get_lib())
    binary = tmp_path_factory.mktemp("c") / "run_saved_model"
    libraries = ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")
    done = subprocess.run(
        [
            compiler,
            "-Wall",
            "-Werror",
            f"-I{tf.sysconfig.get_include()}",
            str(SOURCE),
            "-o",
            str(binary),
            *(str(library / name) for name in libraries),
            f"-Wl,-rpath,{library}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return binary


def ask(program, folder, requests):
    """For each request the outputs by name, or the number and sentence of an error."""
    content = (folder / "saved_model.pb").read_bytes()
    saved = saved_model_pb2.SavedModel.FromString(content)
    described = saved.meta_graphs[0].signature_def
    lines = [line for request in requests for line in written(described, *request)]
    done = subprocess.run(
        [str(program), str(folder), *map(str, sorted(OPERATIONS.glob("*.so")))],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    answer = iter(done.stdout.splitlines())
    return [read(answer, sorted(described[name].outputs)) for name, _ in requests]


def written(described, signature, inputs):
    for key, value in inputs.items():
        operation, index = described[signature].inputs[key].name.rsplit(":", 1)
        value = np.asarray(value)
        is_float = value.dtype.kind == "f"
        kind = "float" if is_float else "string"
        sizes = " ".join(map(str, (value.ndim, *value.shape)))
        yield f"input {operation} {index} {kind} {sizes}"
        for item in value.ravel().tolist():
            text = item.encode() if isinstance(item, str) else item
            yield repr(item) if is_float else f"x{text.hex()}"
    for key in sorted(described[signature].outputs):
        operation, index = described[signature].outputs[key].name.rsplit(":", 1)
        yield f"output {operation} {index}"
    yield "run"


def read(answer, keys):
    outputs = {}
    for key in keys:
        kind, *rest = next(answer).split(" ", 2)
        if kind == "error":
            return int(rest[0]), rest[1]
        kind, sizes = rest[0], [int(size) for size in rest[1].split()[1:]]
        values = [next(answer) for _ in range(int(np.prod(sizes)))]
        if kind == "string":
            values = [bytes.fromhex(value[1:]) for value in values]
        else:
            values = [float(value) for value in values]
        outputs[key] = np.array(values).reshape(sizes)
    return outputs


def requests(signatures):
    state = signatures["adapt"](
        support_texts=tf.constant(SUPPORT), support_labels=tf.constant(LABELS)
    )
    state = {key: value.numpy() for key, value in state.items()}
    support = {"support_texts": SUPPORT, "support_labels": LABELS}
    plain = {
        "classify": {**support, "query_texts": QUERIES},
        "adapt": support,
        "predict": {**state, "query_texts": QUERIES},
    }
    if "examples" in signatures:
        wanted = signatures["examples"](
            **{k: tf.constant(v) for k, v in support.items()}
        )
        vectors = {
            key: signatures["embed"](texts=texts)["vectors"].numpy()
            for key, texts in (("e", wanted["texts"]), ("q", tf.constant(QUERIES)))
        }
        over_vectors = {
            "examples": support,
            "adapt_vectors": {**support, "example_vectors": vectors["e"]},
            "predict_vectors": {**state, "query_vectors": vectors["q"]},
        }
    else:
        over_vectors = {}
    return {
        **plain,
        **over_vectors,
        "embed": {"texts": QUERIES},
        **{
            f"{name}_tasks": {k: np.asarray(v)[None] for k, v in inputs.items()}
            for name, inputs in plain.items()
        },
    }


@pytest.mark.parametrize("kind", ["prototypical", "maml"])
def test_c_program_gives_the_same_answers(program, kind):
    folder = exports(kind).folder
    signatures = load_signatures(folder)
    asked = requests(signatures)
    assert asked.keys() == signatures.keys() - {"serving_default"}
    if kind == "maml":  # a session takes seconds to begin each signature
        asked = {name: asked[name] for name in ("adapt", "predict", "classify_tasks")}
    for (name, inputs), answer in zip(
        asked.items(), ask(program, folder, list(asked.items())), strict=True
    ):
        expected = signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
        assert answer.keys() == expected.keys()
        for key, value in expected.items():
            if value.dtype == tf.float32:
                np.testing.assert_allclose(answer[key], value, rtol=1e-5, atol=1e-5)
            else:
                wanted = value.numpy().astype(answer[key].dtype)
                np.testing.assert_array_equal(answer[key], wanted)


SHAPE = "not compatible with expected shape"
SCALARS = {"support_texts": "a", "support_labels": "b", "query_texts": "c"}
REFUSED = [
    ("embed", {"texts": "a"}, SHAPE),
    ("classify", SCALARS, SHAPE),
    ("classify", {**SCALARS, "query_texts": [["c"]]}, SHAPE),
    ("classify_tasks", {key: [value] for key, value in SCALARS.items()}, SHAPE),
    ("adapt", {"support_texts": "a", "support_labels": ["b"]}, SHAPE),
    ("predict", {"state": 1.0, "class_names": ["a"], "query_texts": ["c"]}, SHAPE),
    ("predict", {"state": [1.0], "class_names": ["a"], "query_texts": ["c"]}, "none"),
    ("embed", {"texts": [b"\xff"]}, "texts must be UTF-8"),
]


def test_c_program_is_refused_and_not_crashed(program):
    folder = exports("prototypical").folder
    good = ("embed", {"texts": ["still there"]})
    answers = ask(program, folder, [*(case[:2] for case in REFUSED), good])
    for (_, _, sentence), (code, message) in zip(REFUSED, answers[:-1], strict=True):
        assert code == INVALID_ARGUMENT
        assert sentence in message
    assert answers[-1]["vectors"].shape == (1, 16)


def test_saved_model_cli_shows_and_runs(tmp_path):
    folder = str(exports("prototypical").folder)
    # The command's own process knows the text operations only when they are imported.
    start = (
        "import sys, tensorflow_text;"
        "from tensorflow.python.tools.saved_model_cli import main; sys.exit(main())"
    )

    def command(*arguments):
        done = subprocess.run(
            [sys.executable, "-c", start, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    shown = command("show", "--dir", folder, "--all")
    for name in ("serving_default", "adapt", "predict", "embed", "classify_tasks"):
        assert f"signature_def['{name}']" in shown
    ran = command(
        "run",
        "--dir",
        folder,
        "--tag_set",
        "serve",
        "--signature_def",
        "classify",
        "--input_exprs",
        f"support_texts={SUPPORT};support_labels={LABELS};query_texts={QUERIES}",
    )
    assert "Result for output key probabilities" in ran and "b'music'" in ran
