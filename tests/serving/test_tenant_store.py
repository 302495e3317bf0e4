"""Bots in SQLite and in Redis: learned once, learned anew when need be, none lost."""

import shutil
import subprocess
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from maml_tf.serving import (
    AdaptedState,
    Answers,
    Limits,
    RequestError,
    StaleStateError,
    TenantStore,
)
from maml_tf.serving.tenant_backends import RedisBackend, SQLiteBackend


class Service:
    """A client whose state is how many examples it saw under which version."""

    def __init__(self):
        self.version, self.adapted = 1.0, 0

    def adapt(self, texts, labels):
        self.adapted += 1
        values = np.array([self.version, len(texts)], "float32")
        return AdaptedState(values, sorted(set(labels)))

    def predict(self, state, query_texts):
        if state.values[0] != self.version:
            raise StaleStateError("another version")
        return int(state.values[1])


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    pytest.importorskip("redis")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server: apt-get install redis-server")
    socket = tmp_path_factory.mktemp("redis") / "socket"
    server = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(socket), "--save", ""],
        stdout=subprocess.DEVNULL,
        cwd=socket.parent,
    )
    end = time.monotonic() + 20
    while not socket.exists():
        assert time.monotonic() < end and server.poll() is None
        time.sleep(0.05)
    yield f"unix://{socket}"
    server.terminate()
    server.wait()


@pytest.fixture(params=["sqlite", "redis"])
def store(request, tmp_path):
    if request.param == "sqlite":
        return TenantStore(tmp_path / "bots.sqlite", Service())
    backend = RedisBackend(request.getfixturevalue("redis_url"), prefix=tmp_path.name)
    return TenantStore(backend, Service())


class Sure(Service):
    """A client that answers the first intent, with a probability of 0.7."""

    def predict(self, state, query_texts):
        count = len(query_texts)
        shares = np.repeat([[0.7, 0.3]], count, axis=0)
        names = ["x", "y"]
        return Answers(["x"] * count, shares, np.ones(count, bool), names)


def test_a_threshold_of_an_intent_is_kept_until_it_is_taken_back(store):
    store.client = Sure()
    store.add("shop", [("a", "x"), ("b", "y")])
    store.set_threshold("shop", "x", 0.8)
    store.set_threshold("shop", "y", 0.5)
    assert store.thresholds("shop") == {"x": 0.8, "y": 0.5}
    assert store.predict("shop", ["q"]).in_scope.tolist() == [False]
    once = store.predict("shop", ["q"], thresholds={"x": 0.6})
    assert once.in_scope.tolist() == [True]
    assert store.client.adapted == 1  # nothing is learned anew for a threshold
    for name, value, message in (
        ("z", 0.5, "no intent 'z'"),
        ("x", float("nan"), "between 0 and 1"),
    ):
        with pytest.raises(RequestError, match=message):
            store.set_threshold("shop", name, value)
    store.set_threshold("shop", "x", None)
    assert store.predict("shop", ["q"]).in_scope.tolist() == [True]
    store.remove(
        "shop", "b"
    )  # whose intent is gone with it, its threshold is not asked
    store.predict("shop", ["q"])
    store.delete("shop")
    store.add("shop", [("a", "x"), ("b", "y")])
    assert store.thresholds("shop") == {}


def test_a_bot_learns_once_and_again_after_each_change(store):
    store.add("shop", [("a", "x"), ("b", "y")])
    assert store.predict("shop", ["q"]) == 2
    assert store.predict("shop", ["q"]) == 2
    assert store.client.adapted == 1
    store.add("shop", [("c", "x")])
    assert store.predict("shop", ["q"]) == 3
    assert store.remove("shop", "a") == 1 and store.remove("shop", "none") == 0
    assert store.predict("shop", ["q"]) == 2
    assert store.client.adapted == 3
    assert store.examples("shop") == [("b", "y"), ("c", "x")]
    store.client.version = 2.0  # a new version of the model is served
    assert store.predict("shop", ["q"]) == 2
    assert store.predict("shop", ["q"]) == 2
    assert store.client.adapted == 4


def test_bots_are_listed_and_deleted(store):
    store.add("one", [("a", "x")])
    store.add("two", [("a ü", "x")])
    assert store.bots() == ["one", "two"]
    store.delete("one")
    assert store.bots() == ["two"] and store.examples("one") == []
    with pytest.raises(RequestError, match="no bot 'one'"):
        store.predict("one", ["q"])
    with pytest.raises(RequestError, match="neither empty"):
        store.add("two", [("text", " ")])


def test_a_state_of_outdated_examples_counts_for_nothing(store):
    store.add("shop", [("a", "x")])
    before = store.backend.read("shop").revision
    store.add("shop", [("b", "y")])  # another writer, while the first one learns
    state = AdaptedState(np.array([1, 1], "float32"), ["x"])
    store.backend.save_state("shop", before, state.to_bytes())
    assert store.backend.read("shop").state is None
    assert store.predict("shop", ["q"]) == 2
    store.delete("shop")
    store.add("shop", [("c", "z")])
    assert store.backend.read("shop").state is None


def test_concurrent_writers_lose_nothing(store):
    def write(writer):
        for number in range(25):
            store.add("shop", [(f"{writer} {number}", "x")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    texts = {text for text, _ in store.examples("shop")}
    assert texts == {f"{w} {n}" for w in range(8) for n in range(25)}
    assert store.backend.read("shop").revision == 200


def test_another_process_sees_the_same_bots(tmp_path):
    first = TenantStore(tmp_path / "bots.sqlite", Service())
    first.add("shop", [("a", "x")])
    assert SQLiteBackend(tmp_path / "bots.sqlite").read("shop").examples == [("a", "x")]


BAD_EXAMPLES = {
    "nothing to see": (("\u200b", "pay"), r"text of examples\[1\] is empty.*neither"),
    "empty label": (("pay", " "), r"label of examples\[1\] is empty"),
    "no text": ((None, "pay"), r"text of examples\[1\] has to be a text, not None"),
    "a number": (("pay", 0), r"label of examples\[1\] has to be a text, not 0"),
    "not a number": ((float("nan"), "pay"), r"examples\[1\] has to be a text, not nan"),
    "bytes": ((b"pay", "pay"), r"examples\[1\] has to be a text, not bytes"),
    "half an emoji": (("\ud83d", "pay"), r"examples\[1\] .* half a character"),
    "too long": (("a" * 10_001, "pay"), r"examples\[1\] has 10001 bytes"),
    "no pair": (("pay",), r"examples\[1\] has to be a pair"),
    "one string": ("ab", r"examples\[1\] has to be a pair"),
    "nothing": (None, r"examples\[1\] has to be a pair"),
}


@pytest.mark.parametrize("case", BAD_EXAMPLES)
def test_what_no_bot_can_learn_is_not_stored(tmp_path, case):
    example, message = BAD_EXAMPLES[case]
    store = TenantStore(tmp_path / "bots.sqlite", Service())
    with pytest.raises(RequestError, match=message):
        store.add("shop", [("where is it", "find"), example])
    assert store.bots() == []


def test_more_examples_than_the_model_takes_are_refused(tmp_path):
    limits = Limits(examples=3)
    store = TenantStore(tmp_path / "bots.sqlite", Service(), limits=limits)
    store.add("shop", [("a", "x"), ("b", "y")])
    with pytest.raises(RequestError, match=r"'shop' would have 4 examples.*at most 3"):
        store.add("shop", [("c", "x"), ("d", "y")])
    store.add("shop", [("c", "x")])
    assert len(store.examples("shop")) == 3


def test_a_text_under_two_labels_is_warned_of(tmp_path):
    store = TenantStore(tmp_path / "bots.sqlite", Service())
    store.add("shop", [("Where is it", "find")])
    with pytest.warns(UserWarning, match="'where  is IT' is taught as 'pay' and as 'f"):
        store.add("shop", [("where  is IT", "pay")])
    with pytest.warns(UserWarning, match="'x' is taught as 'b' and as 'a'"):
        store.add("both", [("x", "a"), ("x", "b")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.add("shop", [("another", "find"), ("another", "find")])
    assert len(store.examples("shop")) == 4


def test_a_state_that_is_none_is_learned_anew(tmp_path):
    store = TenantStore(tmp_path / "bots.sqlite", Service())
    store.add("shop", [("a", "x"), ("b", "y")])
    for garbage in (b"", b"\xff" * 9, b"\2\0\0\0[]abc", b"\1\0\0\0" + b"5" * 9):
        store.backend.save_state("shop", 1, garbage)
        assert store.predict("shop", ["q"]) == 2
