"""Runs a dumped meta-step through jaxlib's XLA, on whatever device JAX has.

    python -m training.benchmark --dump_stablehlo=dumps --workloads=W1
    python -m training.run_stablehlo --program=dumps/W1_k5.mlir --repeats=20

It needs `jax` and NumPy and nothing else of this project, so the script and the dump
can be copied to a machine with an accelerator. It checks the loss and the
meta-gradients against TensorFlow's and prints meta-steps a second.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("program", None, "NAME.mlir of --dump_stablehlo.", required=True)
flags.DEFINE_integer("repeats", 10, "Timed runs.", lower_bound=1)
flags.DEFINE_float(
    "tolerance",
    1e-3,
    "Largest difference of any meta-gradient, relative to the largest entry of all; "
    "accelerators that multiply float32 in lower precision may need more.",
)


class Program:
    """A compiled program on JAX's first device.

    Args:
        text: the program as StableHLO.
    """

    def __init__(self, text: str) -> None:
        import jax
        from jaxlib import xla_client

        self.device = jax.devices()[0]
        self._client = self.device.client
        self._executable = self._client.compile_and_load(
            text,
            xla_client.DeviceList((self.device,)),
            xla_client.CompileOptions(),
        )

    def place(self, arrays: list[np.ndarray]) -> list:
        """The arguments on the device."""
        import jax

        return [jax.device_put(array, self.device) for array in arrays]

    def __call__(self, arguments: list) -> list:
        """The program's results, still on the device."""
        results = self._executable.execute_sharded(arguments)
        return [shards[0] for shards in results.disassemble_into_single_device_arrays()]


def largest_difference(
    results: list[np.ndarray], expected: list[np.ndarray]
) -> tuple[float, float]:
    """Relative difference of the loss, and of the meta-gradients together.

    Example:

    >>> largest_difference([np.array(2.0), np.array([1.0, 4.0])],
    ...                    [np.array(1.0), np.array([2.0, 4.0])])
    (1.0, 0.25)
    """
    loss = abs(float(results[0]) - float(expected[0])) / abs(float(expected[0]))
    scale = max(float(np.abs(array).max()) for array in expected[1:])
    gradients = max(
        float(np.abs(np.asarray(one) - other).max())
        for one, other in zip(results[1:], expected[1:], strict=True)
    )
    return loss, gradients / scale


def main(argv: list[str]) -> None:
    path = Path(FLAGS.program)
    for needed in (path, path.with_suffix(".npz"), path.with_suffix(".json")):
        if not needed.is_file():
            raise app.UsageError(
                f"{needed} does not exist; write it with `python -m training.benchmark "
                "--dump_stablehlo=DIR`."
            )
    try:
        import jax  # noqa: F401
    except ImportError as error:
        raise app.UsageError("This needs JAX: `pip install jax`.") from error
    arrays = np.load(path.with_suffix(".npz"))
    arguments = [arrays[key] for key in sorted(arrays) if key.startswith("argument")]
    expected = [arrays[key] for key in sorted(arrays) if key.startswith("result")]
    description = json.loads(path.with_suffix(".json").read_text())
    start = time.perf_counter()
    program = Program(path.read_text())
    print(f"{description['workload']}, K={description['inner_steps']}")
    print(f"{program.device}: compiled in {time.perf_counter() - start:.1f} s")
    placed = program.place(arguments)
    results = [np.asarray(result) for result in program(placed)]
    loss, gradients = largest_difference(results, expected)
    print(f"loss off by {loss:.1e}, meta-gradients by {gradients:.1e} of the largest")
    seconds = []
    for _ in range(FLAGS.repeats):
        start = time.perf_counter()
        for result in program(placed):
            result.block_until_ready()
        seconds.append(time.perf_counter() - start)
    print(f"{1 / statistics.median(seconds):.3f} meta-steps a second")
    if not max(loss, gradients) <= FLAGS.tolerance:
        sys.exit("The numbers are not TensorFlow's.")


if __name__ == "__main__":
    app.run(main)
