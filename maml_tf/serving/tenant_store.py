"""Any number of bots, each defined by its examples, on one served model."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from maml_tf.serving.client import Client
from maml_tf.serving.results import (
    AdaptedState,
    Answers,
    RequestError,
    StaleStateError,
)
from maml_tf.serving.tenant_backends import (
    Examples,
    RedisBackend,
    SQLiteBackend,
    TenantBackend,
)


class TenantStore:
    """Examples and adapted states of bots, learned anew only when need be.

    A bot learns when it is first asked after a change of its examples, and when the
    service says that its state was made by another version of the model.

    Args:
        where: a file for SQLite, `redis://host:6379/0`, or a `TenantBackend`.
        client: the service that learns and answers.

    Example:

    >>> import os, tempfile
    >>> store = TenantStore(os.path.join(tempfile.mkdtemp(), "bots.sqlite"), None)
    >>> store.add("shop", [("where is my parcel", "delivery")])
    >>> store.bots(), store.examples("shop")
    (['shop'], [('where is my parcel', 'delivery')])
    """

    def __init__(self, where: str | Path | TenantBackend, client: Client) -> None:
        if isinstance(where, (str, Path)):
            is_redis = str(where).startswith(("redis://", "rediss://", "unix://"))
            where = RedisBackend(str(where)) if is_redis else SQLiteBackend(where)
        self.backend: TenantBackend = where
        self.client = client

    def add(self, bot: str, examples: Iterable[tuple[str, str]]) -> None:
        """Adds pairs of text and label to a bot, which begins with its first ones.

        Raises:
            RequestError: if a text or label is empty.
        """
        examples = [(str(text), str(label)) for text, label in examples]
        if not all(text.strip() and label.strip() for text, label in examples):
            raise RequestError("An example needs a text and a label, neither empty.")
        self.backend.add(bot, examples)

    def remove(self, bot: str, text: str) -> int:
        """Removes the examples with this text, and says how many there were."""
        return self.backend.remove(bot, text)

    def examples(self, bot: str) -> Examples:
        """The bot's pairs of text and label, oldest first."""
        return self.backend.read(bot).examples

    def bots(self) -> list[str]:
        """The names of all bots that have examples."""
        return self.backend.bots()

    def delete(self, bot: str) -> None:
        """Removes a bot with all it learned."""
        self.backend.delete(bot)

    def predict(self, bot: str, query_texts: Sequence[str]) -> Answers:
        """The bot's answers.

        Raises:
            RequestError: if there is no such bot, or it has too little to learn from.
            ServiceError: if there was no answer in time.
        """
        found = self.backend.read(bot)
        if not found.examples:
            raise RequestError(f"There is no bot {bot!r}; add examples to it first.")
        if found.state is not None:
            try:
                state = AdaptedState.from_bytes(found.state)
                return self.client.predict(state, query_texts)
            except StaleStateError:
                pass
        texts, labels = zip(*found.examples, strict=True)
        state = self.client.adapt(texts, labels)
        self.backend.save_state(bot, found.revision, state.to_bytes())
        return self.client.predict(state, query_texts)
