"""Bots in SQLite and in Redis: learned once, learned anew when need be, none lost."""

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from maml_tf.serving import AdaptedState, RequestError, StaleStateError, TenantStore
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
