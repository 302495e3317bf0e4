"""Every learner by name: one entry, from which flags, docs and tests derive.

A learner's module says what it registers in a literal, `REGISTERED`, from names to the
fields of `LearnerEntry`. It is read from the module's source, so that listing learners,
as `--help` does, loads no TensorFlow. A new learner is its module and a test.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maml_tf.learners.inner_options import (
    INNER_OPTIONS,
    LEARNED_OPTIMIZER,
    LEARNED_RULES,
    make_update_rule,
)

if TYPE_CHECKING:
    from maml_tf.learners.meta_learner import MetaLearner

WITH_INNER_LOOP = tuple(name for name in INNER_OPTIONS if name != "inner_batch_size")


@dataclass(frozen=True)
class LearnerEntry:
    """What is known of a learner before it is loaded.

    Attributes:
        name: what `--learner` calls it.
        module: where its class is.
        class_name: the class.
        summary: its principle, in half a sentence.
        paper: where it comes from.
        options: constructor arguments that make the class this learner; those that
            `takes` names may be given others.
        base_learner: "classifier" if it adapts a model of logits, "encoder" if it
            compares vectors.
        takes: which of `INNER_OPTIONS` have a meaning for it; none without an inner
            loop.
        refuses: values of those options that it cannot work with.
        least_inner_steps: the fewest inner steps it makes sense with.
    """

    name: str
    module: str
    class_name: str
    summary: str
    paper: str
    options: Mapping[str, Any] = field(default_factory=dict)
    base_learner: str = "classifier"
    takes: tuple[str, ...] = WITH_INNER_LOOP
    refuses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    least_inner_steps: int = 0

    @property
    def inner_loop(self) -> bool:
        """Whether it takes inner steps."""
        return "inner_steps" in self.takes

    @property
    def call(self) -> str:
        """How the learner is written in Python.

        >>> get_learner("anil").call
        'MAML(fast_weights="head")'
        """
        written = {
            name: "LearnedOptimizer()"
            if value == LEARNED_OPTIMIZER
            else f'"{value}"'
            if isinstance(value, str)
            else value
            for name, value in self.options.items()
        }
        options = ", ".join(f"{name}={value}" for name, value in written.items())
        return f"{self.class_name}({options})" if options else self.class_name

    def load(self) -> "type[MetaLearner]":
        """The class; this loads TensorFlow."""
        return getattr(import_module(self.module), self.class_name)

    def refusal(self, given: Mapping[str, Any], *, prefix: str = "") -> str | None:
        """Why the learner cannot have such options, in one sentence, or None.

        Args:
            given: those of `INNER_OPTIONS` that somebody asked for, by name.
            prefix: before the names of options: "--" where they are flags.

        Example:

        >>> get_learner("matching").refusal({"inner_steps": 3}, prefix="--")
        '--inner_steps has no meaning for --learner=matching, which has no inner loop;
        leave it out or choose another learner.'
        >>> get_learner("maml").refusal({"inner_steps": 3})
        """
        me = f"{prefix}learner={self.name}"
        for name in INNER_OPTIONS:
            if given.get(name) is None:
                continue
            value = given[name]
            if name not in self.takes:
                why, instead = self._why_not(name, prefix)
                return (
                    f"{prefix}{name} has no meaning for {me}, which {why}; leave it "
                    f"out or choose {instead}."
                )
            if value in self.refuses.get(name, ()):
                return (
                    f"{prefix}{name}={value} does not go with {me}: {_CLASHES[name]}; "
                    "choose another."
                )
        if given.get("inner_steps", self.least_inner_steps) < self.least_inner_steps:
            return (
                f"{me} needs {prefix}inner_steps of {self.least_inner_steps} or more."
            )
        if given.get("meta_gradient") == "implicit" and (
            given.get("update_rule") in LEARNED_RULES
        ):
            return (
                f"{prefix}update_rule={given['update_rule']} learns its rates, which "
                f"get no gradient from {prefix}meta_gradient=implicit; choose another "
                "of either."
            )
        return None

    def _why_not(self, name: str, prefix: str) -> tuple[str, str]:
        if not self.inner_loop:
            return "has no inner loop", "another learner"
        if name == "inner_batch_size":
            return "sees the whole support set at each step", f"{prefix}learner=reptile"
        return "has its own", f"{prefix}learner=maml"

    def build(self, base_learner: Any, **options: Any) -> "MetaLearner":
        """The learner of a base learner; this loads TensorFlow.

        Args:
            base_learner: a Keras model of the kind that `base_learner` says.
            options: the constructor's arguments; those that are None are left out. An
                `update_rule` may be a name from `inner_options.UPDATE_RULES`.

        Raises:
            ValueError: for options that have no meaning or do not go together.

        Example:

        >>> import keras
        >>> base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> type(get_learner("anil").build(base, inner_steps=2)).__name__
        'MAML'
        """
        options = {name: v for name, v in options.items() if v is not None}
        refusal = self.refusal(options)
        if refusal is not None:
            raise ValueError(refusal)
        options = {**self.options, **options}
        if isinstance(options.get("update_rule"), str):
            options["update_rule"] = make_update_rule(
                options["update_rule"],
                options.get("inner_learning_rate", 0.01),
                inner_steps=options.get("inner_steps", 5),
            )
        return self.load()(base_learner, **options)


_CLASHES = {
    "meta_gradient": "its steps have weights that get no gradient that way",
    "update_rule": "it takes no gradient through the steps that could teach rates",
    "fast_weights": "its head has to be among the fast weights",
}


@cache
def registered_learners() -> dict[str, LearnerEntry]:
    """All entries by name, in the order of their modules and within one as written.

    Example:

    >>> list(registered_learners())[:4]
    ['maml', 'first_order_maml', 'anil', 'learned_optimizer']
    """
    found: dict[str, LearnerEntry] = {}
    for path in sorted(Path(__file__).parent.glob("*.py"), key=_plainest_first):
        for name, fields in _registered_in(path).items():
            if name in found:
                raise ValueError(
                    f"{path.name} registers the learner {name!r}, which "
                    f"{found[name].module} does already."
                )
            module = f"{__package__}.{path.stem}"
            found[name] = LearnerEntry(name=name, module=module, **fields)
    return found


def get_learner(name: str) -> LearnerEntry:
    """The entry of a name.

    Raises:
        ValueError: for an unknown name.

    Example:

    >>> get_learner("reptile").paper
    'arXiv 1803.02999'
    """
    entries = registered_learners()
    if name not in entries:
        raise ValueError(
            f"There is no learner {name!r}; there are {', '.join(entries)}."
        )
    return entries[name]


def table_of_learners() -> str:
    """The learners as a table in Markdown, which docs/learners.md shows.

    Example:

    >>> print(table_of_learners().splitlines()[2])
    | `MAML` | `maml` | exact gradient through the inner steps | arXiv 1703.03400 |
    """
    rows = ["| learner | `--learner` | principle | paper |", "|---|---|---|---|"]
    for name, entry in registered_learners().items():
        rows.append(f"| `{entry.call}` | `{name}` | {entry.summary} | {entry.paper} |")
    return "\n".join(rows) + "\n"


def _registered_in(path: Path) -> dict[str, dict[str, Any]]:
    """The literal `REGISTERED` of a module, without importing it."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "REGISTERED" for t in statement.targets
        ):
            return ast.literal_eval(statement.value)
    return {}


def _plainest_first(path: Path) -> tuple[bool, str]:
    return path.stem != "maml", path.stem
