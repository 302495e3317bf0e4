"""What a client asks of a language model."""

from collections.abc import Sequence

import numpy as np

from maml_tf.serving.conversation_requests import (
    dialogues_array,
    sampling_inputs,
    state_values,
    strings,
)
from maml_tf.serving.outputs import decoded, named_output
from maml_tf.serving.results import AdaptedState


class ConversationClient:
    """The part of a `Client` that learns from dialogues and writes replies."""

    def _call(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs of a signature for one task."""
        raise NotImplementedError

    def adapt_dialogues(self, dialogues: Sequence[Sequence[str]]) -> AdaptedState:
        """What dialogues teach a language model, for `generate` and `score`.

        Args:
            dialogues: of each the turns in order, the user's first; the second, the
                fourth and so on are what is learned.

        Raises:
            RequestError: if the dialogues cannot be learned from, or the model is one
                of intents.
            ServiceError: if there was no answer in time.
        """
        outputs = self._call("adapt", dialogues=dialogues_array(dialogues))
        return AdaptedState(np.asarray(named_output(outputs, "state"), "float32"), [])

    def generate(
        self,
        state: AdaptedState | None,
        turns: Sequence[str],
        *,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        max_new_tokens: int = 64,
        stops: Sequence[str] = (),
    ) -> str:
        """The reply to a conversation that ends with the user's turn.

        Args:
            state: from `adapt_dialogues`, or None for the model as it was exported.
            turns: of the conversation, the user's first.
            temperature: 0 for the likeliest token at each place, or what scores are
                divided by before one is drawn.
            top_k: draw from so many of the likeliest tokens; 0 for all.
            top_p: draw from the fewest of the likeliest tokens whose probabilities
                reach this sum.
            seed: the same seed gives the same text.
            max_new_tokens: the most tokens of the reply.
            stops: strings before which the reply ends.

        Raises:
            StaleStateError: if another version of the model made the state.
            RequestError: if the request cannot be worked with, or the model is one of
                intents.
            ServiceError: if there was no answer in time.
        """
        outputs = self._call(
            "generate",
            state=state_values(state),
            turns=strings(turns, "turns"),
            **sampling_inputs(temperature, top_k, top_p, seed, max_new_tokens),
            # An empty string stops nothing; a list without one has no type in JSON.
            stops=strings([*strings(stops, "stops"), ""], "stops"),
        )
        return decoded(named_output(outputs, "texts"))[0]

    def score(
        self,
        state: AdaptedState | None,
        turns: Sequence[str],
        replies: Sequence[str],
    ) -> np.ndarray:
        """The log-likelihood `[replies]` of each reply, its end included.

        Args:
            state, turns: see `generate`.
            replies: to be compared.

        Raises:
            StaleStateError, RequestError, ServiceError: see `generate`.
        """
        given = strings(replies, "replies")
        outputs = self._call(
            "score",
            state=state_values(state),
            turns=strings(turns, "turns"),
            replies=given,
        )
        return np.asarray(named_output(outputs, "log_likelihoods"))[: len(given)]
