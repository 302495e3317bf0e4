"""Our compiled meta-step as StableHLO, for other machines and other XLA runtimes.

What is written is the meta-gradient of one batch of tasks: the program, a function of
all variables and of the episodes; its arguments; and what TensorFlow's own XLA made of
them. `training.run_stablehlo` runs it elsewhere and compares.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from maml_tf import MetaLearner
from training.research.meta_step import workloads
from training.research.meta_step.contenders.ours import create_learner

STAGE = "stablehlo"


class CompiledStep:
    """The meta-step of a learner, compiled by XLA as one cluster.

    Args:
        learner: a compiled meta-learner.
        x, y: a batch of tasks.
    """

    def __init__(self, learner: MetaLearner, x: Any, y: Any) -> None:
        self.data = [tf.constant(array) for array in tf.nest.flatten((x, y))]
        structure = (x, y)
        learner.optimizer.build(learner.trainable_variables)

        # Flat arguments: nested ones are folded into the program as constants.
        def step(*data: tf.Tensor) -> list[tf.Tensor]:
            x, y = tf.nest.pack_sequence_as(structure, data)
            loss, _, gradients = learner.compute_meta_gradients(x, y, None)
            # Embeddings' sparse gradients too come out as plain arrays.
            return [loss, *map(tf.convert_to_tensor, gradients)]

        self.function = tf.function(step, jit_compile=True, autograph=False)
        self.concrete = self.function.get_concrete_function(*self.data)

    def text(self, stage: str = STAGE) -> str:
        """The program: "stablehlo", "hlo" or "optimized_hlo"."""
        program = self.function.experimental_get_compiler_ir(*self.data)(stage=stage)
        return program if isinstance(program, str) else program.decode()

    def arguments(self) -> list[np.ndarray]:
        """The program's arguments in its order: episodes, then captured values."""
        captured = [
            tf.raw_ops.ReadVariableOp(resource=t, dtype=dtype)
            if t.dtype == tf.resource
            else t
            for t, dtype in zip(
                self.concrete.captured_inputs, self._dtypes(), strict=True
            )
        ]
        return [np.asarray(t) for t in [*self.data, *captured]]

    def results(self) -> list[np.ndarray]:
        """Loss and meta-gradients, computed by TensorFlow's XLA."""
        return [np.asarray(t) for t in self.function(*self.data)]

    def _dtypes(self) -> list[tf.DType]:
        variables = {id(v.handle): v.dtype for v in self.concrete.graph.variables}
        return [variables.get(id(t), t.dtype) for t in self.concrete.captured_inputs]


def dump(
    workload: workloads.Workload,
    folder: Path,
    report: Callable[[str], None] = lambda message: None,
    **options: Any,
) -> list[Path]:
    """Writes program, arguments and results for each of the workload's inner steps.

    Args:
        workload: the sizes.
        folder: where NAME_kK.mlir, NAME_kK.npz and NAME_kK.json go.
        report: gets a line on where the work is.
        options: of `MAML`.

    Returns:
        The paths of the programs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    programs = []
    for inner_steps in workload.inner_steps:
        name = f"{workload.name}_k{inner_steps}"
        report(f"{name}: tracing and compiling")
        learner = create_learner(workload, inner_steps, jit_compile=True, **options)
        step = CompiledStep(learner, *workloads.make_episodes(workload))
        program = folder / f"{name}.mlir"
        arguments, results = step.arguments(), step.results()
        arrays = {f"argument_{i:04d}": a for i, a in enumerate(arguments)}
        arrays |= {f"result_{i:04d}": r for i, r in enumerate(results)}
        np.savez(folder / f"{name}.npz", **arrays)  # type: ignore[arg-type]
        description = {
            "workload": workload.title,
            "inner_steps": inner_steps,
            "arguments": len(arguments),
            "results": ["loss", *[v.path for v in learner.trainable_variables]],
        }
        (folder / f"{name}.json").write_text(json.dumps(description, indent=1) + "\n")
        # The program last: where it is, the rest is.
        program.write_text(step.text())
        programs.append(program)
    return programs
