"""For who operates bots: export a model, serve it, keep many bots, change the model.

    python examples/serve_bots.py

TF Serving takes the same folder; the server here is for laptops and tests.
"""

import tempfile
from pathlib import Path

from maml_tf.default_learner import default_learner
from maml_tf.serving import Client, TenantStore
from maml_tf.serving.model_server import ModelServer

BOTS = {
    "shop": [("where is my parcel", "track"), ("I want my money back", "refund")],
    "home": [("turn on the lamp", "light"), ("play a song", "music")],
}


def main(encoder: str | None = None) -> dict[str, str]:
    """Serves two bots, and then another version of the model.

    Args:
        encoder: the default encoder if None; see `create_text_encoder`.

    Returns:
        The intent of one question to each bot, by the bot.
    """
    folder = Path(tempfile.mkdtemp())
    learner = default_learner(encoder)
    version = learner.export(folder / "models" / "intents")
    print(f"version {version.name}: {sorted(p.name for p in version.iterdir())}")

    model = folder / "models" / "intents"
    with ModelServer(model, rest_port=0, grpc_port=None, poll_seconds=0.2) as server:
        address = f"http://127.0.0.1:{server.rest_port}"
        with Client(address, model="intents") as client:
            # Examples and what was learned from them, in SQLite or Redis.
            store = TenantStore(folder / "bots.sqlite", client)
            for bot, examples in BOTS.items():
                store.add(bot, examples)
            questions = {"shop": "where's my parcel now?", "home": "lamp on please"}
            found = {
                bot: str(store.predict(bot, [text]).intents[0])
                for bot, text in questions.items()
            }
            print(found)

            # A new version is picked up while the server runs. Bots that the old one
            # taught learn anew from their examples when they are next asked.
            learner.export(model)
            server.versions.look()
            again = store.predict("shop", [questions["shop"]]).intents[0]
            print(f"version 2 says {again}")
            assert again == found["shop"]
    return found


if __name__ == "__main__":
    main()
