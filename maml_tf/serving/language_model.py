"""What an export of a language model can be asked: adapt, generate and score.

Raw strings go in and out. A conversation is its turns in order, the user's first; the
model speaks for the other side, whose style it adapts to.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from maml_tf.generation import Generator, Sampling
from maml_tf.generation.conversations import ConversationEncoder, Encoded
from maml_tf.learners import MAML
from maml_tf.serving.conversation_checks import (
    check_count,
    check_dialogues,
    check_length,
    check_sampling,
    check_turns,
)
from maml_tf.serving.limits import Limits
from maml_tf.serving.request_checks import Faults, check_strings
from maml_tf.serving.state import StateLayout, fingerprint, finite_state
from maml_tf.serving.task_axis import (
    Tensors,
    as_many_tasks,
    prefix_of,
    traced,
    until_empty,
    until_empty_rows,
)

STATE_DTYPES = ("float16", "float32")
# The inputs of each function: how many axes, and of what.
INPUTS: dict[str, dict[str, tuple[int, tf.DType]]] = {
    "adapt": {"dialogues": (2, tf.string)},
    "generate": {
        "state": (1, tf.float32),
        "turns": (1, tf.string),
        "temperature": (0, tf.float32),
        "top_k": (0, tf.int32),
        "top_p": (0, tf.float32),
        "seed": (0, tf.int32),
        "max_new_tokens": (0, tf.int32),
        "stops": (1, tf.string),
    },
    "score": {
        "state": (1, tf.float32),
        "turns": (1, tf.string),
        "replies": (1, tf.string),
    },
}


class ServedLanguageModel:
    """The served functions of a learner over a causal language model.

    Each comes a second time, as `adapt_tasks` and so on, with a task axis before all
    inputs and outputs. A state of no numbers, or of zeros alone, stands for the model
    before it learned from anybody.

    Args:
        learner: a built learner, `MAML` or one of its kind, whose base learner has
            `backbone`, `tokenizer` and `chat_template` and gives log-likelihoods of
            tokens.
        limits: `examples` is the most dialogues, `queries` the most turns and replies.
        max_tokens: the longest dialogue, or conversation with its reply, that is read.
        state_dtype: `"float16"` rounds what was learned to half precision, so that a
            state is stored in half the bytes; else `"float32"`.

    Raises:
        ValueError: for another `state_dtype`, or less than one token.

    Example:

    >>> from maml_tf import create_causal_lm
    >>> base = create_causal_lm("scratch:num_layers=1,hidden_dim=8,num_heads=2")
    >>> learner = MAML(base, fast_weights="lora", inner_steps=0)
    >>> learner.build()
    >>> served = ServedLanguageModel(learner, max_tokens=64)
    >>> answer = served.score(tf.zeros([0]), tf.constant(["hi"]), tf.constant(["yes"]))
    >>> answer["log_likelihoods"].shape
    TensorShape([1])
    """

    def __init__(
        self,
        learner: MAML,
        limits: Limits | None = None,
        max_tokens: int = 1024,
        state_dtype: str = "float16",
    ) -> None:
        if state_dtype not in STATE_DTYPES:
            raise ValueError(
                f"state_dtype must be one of {', '.join(STATE_DTYPES)}, not "
                f"{state_dtype!r}."
            )
        if max_tokens < 1:
            raise ValueError(f"max_tokens must be 1 or more, not {max_tokens}.")
        self.learner = learner
        self.limits = limits or Limits(examples=100, queries=200)
        self.max_tokens = max_tokens
        self.state_dtype = state_dtype
        base = learner.base_learner
        self._encoder = ConversationEncoder(base.tokenizer, base.chat_template)
        self._generator = Generator(base)
        ids = tf.TensorSpec([None, None], tf.int32)
        own = tf.TensorSpec([None, None], tf.float32)
        self._adapt = traced(self._fast_weights, ids, ids, own)
        self.layout = StateLayout(self._adapt.structured_outputs, fingerprint(learner))
        functions = (self._learn, self._reply, self._likelihoods)
        prefix = tf.TensorSpec([], tf.string)
        self._functions = {
            name: traced(function, *map(_nameless, specs_of(name).values()), prefix)
            for name, function in zip(INPUTS, functions, strict=True)
        }

    @property
    def state_floats(self) -> int:
        """How many numbers of a state were learned."""
        shapes = [shape for shape, _ in self.layout.specs.values()]
        return sum(int(np.prod(shape[1:])) for shape in shapes)

    def function(self, signature: str) -> Any:
        """The function of a signature, or None where there is no such one."""
        name = signature.removesuffix("_tasks")
        return getattr(self, signature) if name in INPUTS else None

    def adapt(self, dialogues: Any) -> Tensors:
        """The state `[floats]` that dialogues `[dialogues, turns]` teach.

        Shorter dialogues are filled up with "". The second turn of each, the fourth and
        so on are what is learned.
        """
        return {"state": self._run("adapt", [dialogues])}

    def generate(
        self,
        state: Any,
        turns: Any,
        temperature: Any,
        top_k: Any,
        top_p: Any,
        seed: Any,
        max_new_tokens: Any,
        stops: Any,
    ) -> Tensors:
        """The reply to a conversation that ends with the user's turn, as texts `[1]`.

        Args:
            state: from `adapt`.
            turns: `[turns]`, user's first.
            temperature, top_k, top_p, seed: see `Sampling`; scalars.
            max_new_tokens: the most tokens of the reply.
            stops: strings `[stops]` before which the reply ends; empty ones end none.
        """
        given = [state, turns, temperature, top_k, top_p, seed, max_new_tokens, stops]
        return {"texts": self._run("generate", given)}

    def score(self, state: Any, turns: Any, replies: Any) -> Tensors:
        """Log-likelihoods `[replies]` of each reply, its end included, after turns."""
        return {"log_likelihoods": self._run("score", [state, turns, replies])}

    def adapt_tasks(self, dialogues: Any) -> Tensors:
        """As `adapt` for each of `[tasks, dialogues, turns]`.

        A dialogue ends at its first empty turn, a task at its first empty dialogue.
        """
        return {"state": self._run_tasks("adapt", [dialogues], [None])}

    def generate_tasks(
        self,
        state: Any,
        turns: Any,
        temperature: Any,
        top_k: Any,
        top_p: Any,
        seed: Any,
        max_new_tokens: Any,
        stops: Any,
    ) -> Tensors:
        """As `generate` for every row; a row of strings ends at its first empty one."""
        given = [state, turns, temperature, top_k, top_p, seed, max_new_tokens, stops]
        return {"texts": self._run_tasks("generate", given, [1])}

    def score_tasks(self, state: Any, turns: Any, replies: Any) -> Tensors:
        """As `score` for every row; log-likelihoods are filled up with 0."""
        given = [state, turns, replies]
        return {"log_likelihoods": self._run_tasks("score", given, [None])}

    def _run(self, name: str, given: list[Any]) -> tf.Tensor:
        return self._functions[name](*_fitting(given, specs_of(name)), tf.constant(""))

    def _run_tasks(self, name: str, given: list[Any], shape: list[Any]) -> tf.Tensor:
        specs = specs_of(name, tasks=True)
        tensors = as_many_tasks(self.limits.tasks, *_fitting(given, specs))

        def task(row: Any) -> tf.Tensor:
            place, *values = row
            own = [
                self._own(key, value) for key, value in zip(specs, values, strict=True)
            ]
            return self._functions[name](*own, prefix_of(place))

        kind = tf.string if name == "generate" else tf.float32
        found = tf.map_fn(
            task,
            (tf.range(tf.shape(tensors[0])[0]), *tensors),
            fn_output_signature=(
                tf.RaggedTensorSpec(shape, kind)
                if shape == [None]
                else tf.TensorSpec(shape, kind)
            ),
            parallel_iterations=1,
        )
        return found.to_tensor() if shape == [None] else found

    def _own(self, name: str, value: tf.Tensor) -> tf.Tensor:
        """An input of one task without what its batch filled it up with."""
        if name == "state":
            return self.layout.cut(value, _no_names())[0]
        if name == "dialogues":
            return until_empty_rows(value)
        return until_empty(value) if value.dtype == tf.string else value

    def _learn(self, dialogues: tf.Tensor, prefix: tf.Tensor) -> tf.Tensor:
        faults = Faults(prefix)
        check_dialogues(faults, dialogues, self.limits)
        encoded = self._encoder.dialogues(faults.guard(dialogues))
        fast = self._adapt(*self._padded(encoded, "A dialogue", prefix))
        rounded = {
            key: tf.cast(tf.cast(value, self.state_dtype), tf.float32)
            for key, value in fast.items()
        }
        state = self.layout.pack(rounded, _no_names())
        return finite_state(state, "dialogues", prefix)

    def _reply(
        self,
        state: tf.Tensor,
        turns: tf.Tensor,
        temperature: tf.Tensor,
        top_k: tf.Tensor,
        top_p: tf.Tensor,
        seed: tf.Tensor,
        max_new_tokens: tf.Tensor,
        stops: tf.Tensor,
        prefix: tf.Tensor,
    ) -> tf.Tensor:
        faults = Faults(prefix)
        state = self._with_start(state)
        self.layout.check(faults, state, _no_names())
        check_turns(faults, turns, self.limits)
        check_sampling(faults, temperature, top_k, top_p)
        check_count(faults, stops, "stops", self.limits)
        faults.add(max_new_tokens < 1, "max_new_tokens must be 1 or more.")
        faults.add(
            max_new_tokens > self.max_tokens,
            f"max_new_tokens must be at most {self.max_tokens}.",
        )
        state, turns = faults.guard((state, turns))
        prompt = self._encoder.prompt(turns)
        long = Faults(prefix)
        whole = "The conversation with the reply's max_new_tokens"
        check_length(long, prompt.row_lengths(), whole, self.max_tokens, max_new_tokens)
        loop = self.learner.inner_loop
        found = self._generator.adapted(
            loop.functional,
            [weight[0] for _, weight in sorted(self.layout.unpack(state).items())],
            loop.constants(),
            long.guard(prompt),
            Sampling(temperature, top_k, top_p, seed),
            max_new_tokens=max_new_tokens,
            stops=tf.boolean_mask(stops, stops != ""),
        )
        return tf.ensure_shape(found.texts, [1])

    def _likelihoods(
        self,
        state: tf.Tensor,
        turns: tf.Tensor,
        replies: tf.Tensor,
        prefix: tf.Tensor,
    ) -> tf.Tensor:
        faults = Faults(prefix)
        state = self._with_start(state)
        self.layout.check(faults, state, _no_names())
        check_turns(faults, turns, self.limits)
        faults.add(tf.equal(tf.size(replies), 0), "replies holds no text.")
        check_count(faults, replies, "replies", self.limits)
        check_strings(faults, replies, "replies", self.limits.text_bytes)
        state, turns, replies = faults.guard((state, turns, replies))
        encoded = self._encoder.with_replies(turns, replies)
        whole = "The conversation with a reply"
        inputs, own = _asked(*self._padded(encoded, whole, prefix))
        found = self.learner.predict_adapted(self.layout.unpack(state), inputs)[0]
        return tf.reduce_sum(own * tf.cast(found, own.dtype), -1)

    def _fast_weights(self, ids: tf.Tensor, mask: tf.Tensor, own: tf.Tensor) -> Tensors:
        inputs, own = _asked(ids, mask, own)
        return dict(self.learner.adapt(inputs, own[tf.newaxis]))

    def _with_start(self, state: tf.Tensor) -> tf.Tensor:
        """The state, or that of the start of learning where it is none."""
        start = [weight[tf.newaxis] for weight in self.learner.inner_loop.initial()]
        named = dict(zip(sorted(self.layout.specs), start, strict=True))
        return tf.cond(
            tf.reduce_all(state == 0),
            lambda: self.layout.pack(named, _no_names()),
            lambda: state,
        )

    def _padded(self, encoded: Encoded, name: str, prefix: tf.Tensor) -> Any:
        """Ids, mask and weights [rows, length] of ragged ones that are not too long."""
        faults = Faults(prefix)
        lengths = encoded.token_ids.row_lengths()
        check_length(faults, lengths, name, self.max_tokens)
        mask = tf.cast(tf.sequence_mask(lengths), tf.int32)
        return faults.guard(
            (encoded.token_ids.to_tensor(), mask, encoded.own.to_tensor())
        )


def specs_of(function: str, *, tasks: bool = False) -> dict[str, tf.TensorSpec]:
    """The inputs of a function of a language model, with a task axis or without.

    Example:

    >>> specs_of("score", tasks=True)["state"].shape
    TensorShape([None, None])
    """
    return {
        name: tf.TensorSpec([None] * (rank + tasks), dtype, name=name)
        for name, (rank, dtype) in INPUTS[function].items()
    }


def _fitting(given: list[Any], specs: dict[str, tf.TensorSpec]) -> list[tf.Tensor]:
    """Inputs as tensors of the ranks that are wanted.

    A scalar would crash a server inside the tokenizer's operation.
    """
    return [
        tf.ensure_shape(tf.convert_to_tensor(value, spec.dtype), spec.shape)
        for value, spec in zip(given, specs.values(), strict=True)
    ]


def _nameless(spec: tf.TensorSpec) -> tf.TensorSpec:
    """Names of inputs are those of signatures; a function within takes any."""
    return tf.TensorSpec(spec.shape, spec.dtype)


def _asked(
    ids: tf.Tensor, mask: tf.Tensor, own: tf.Tensor
) -> tuple[Tensors, tf.Tensor]:
    """One task's inputs that ask for own tokens alone, and the weights of those.

    Args:
        ids, mask: `[rows, length]`.
        own: 1 for own tokens, of which a row's first is none, else 0.

    Returns:
        Inputs `[1, rows, ...]` and weights `[rows, asked]`, 0 where a row has fewer own
        tokens than another.
    """
    most = tf.cast(tf.reduce_max(tf.reduce_sum(own, -1)), tf.int32)
    first = tf.argsort(own, direction="DESCENDING", stable=True)[:, :most]
    places = tf.maximum(first, 1)
    inputs = {"token_ids": ids, "padding_mask": mask, "places": places}
    weights = tf.gather(own, first, axis=1, batch_dims=1)
    return {key: value[tf.newaxis] for key, value in inputs.items()}, weights


def _no_names() -> tf.Tensor:
    """A state goes with the names of its classes; here it has none."""
    return tf.zeros([0], tf.string)
