"""People in a store: what is kept, when they are learned, and what is refused."""

import numpy as np
import pytest

from maml_tf.serving import AdaptedState, RequestError, StaleStateError
from maml_tf.serving.dialogue_store import DialogueStore
from maml_tf.serving.tenant_store import TenantStore

HELLO, SEA = ["hi", "ahoy"], ["who?", "a sailor", "so", "yes"]


class CountingClient:
    """Learns how many turns there are; an older version's states are stale."""

    def __init__(self):
        self.version, self.learned = 1.0, 0

    def adapt_dialogues(self, dialogues):
        self.learned += 1
        values = [self.version, sum(map(len, dialogues))]
        return AdaptedState(np.array(values, "float32"), [])

    def generate(self, state, turns, **sampling):
        if state.values[0] != self.version:
            raise StaleStateError("old")
        return f"{turns[-1]} {state.values[1]:.0f} {sampling}"

    def score(self, state, turns, replies):
        return np.full(len(replies), state.values[1])


@pytest.fixture
def store(tmp_path):
    return DialogueStore(tmp_path / "people.sqlite", CountingClient())


def test_a_person_is_learned_once_a_change(store):
    store.add("ann", [HELLO])
    assert store.generate("ann", ["you"], seed=1) == "you 2 {'seed': 1}"
    assert store.score("ann", ["you"], ["a", "b"]).tolist() == [2, 2]
    assert store.client.learned == 1
    store.add("ann", [SEA])
    assert store.generate("ann", ["you"]) == "you 6 {}"
    assert store.remove("ann", HELLO) == 1
    assert store.generate("ann", ["you"]) == "you 4 {}"
    assert store.client.learned == 3
    store.client.version = 2.0
    assert store.generate("ann", ["you"]) == "you 4 {}"
    assert store.client.learned == 4
    again = DialogueStore(store.backend.file.path, store.client)
    assert again.people() == ["ann"] and again.dialogues("ann") == [SEA]
    assert again.generate("ann", ["you"]) == "you 4 {}" and again.client.learned == 4


@pytest.mark.parametrize(
    "dialogues, said",
    [
        ([HELLO, ["hi"]], r"dialogues\[1\] needs turns of both sides"),
        ([["hi", " "]], r"dialogues\[0\]\[1\] is an empty turn"),
        ([["hi", 3]], r"dialogues\[0\]\[1\] has to be a text, not 3"),
        ([["hi", b"yes"]], r"dialogues\[0\]\[1\] has to be a text, not bytes"),
    ],
)
def test_what_is_no_dialogue_is_not_stored(store, dialogues, said):
    with pytest.raises(RequestError, match=said):
        store.add("ann", dialogues)
    assert store.people() == []


def test_who_is_not_there(store):
    with pytest.raises(RequestError, match="Nobody is called 'bob'; add dialogues"):
        store.generate("bob", ["hi"])
    store.add("bob", [HELLO])
    store.delete("bob")
    with pytest.raises(RequestError, match="Nobody is called 'bob'"):
        store.score("bob", ["hi"], ["a"])
    TenantStore(store.backend, None).add("shop", [("where", "delivery")])
    with pytest.raises(RequestError, match="'shop' is a bot of intents"):
        store.generate("shop", ["hi"])
