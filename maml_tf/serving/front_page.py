"""The page at `/`: what is served, and how to ask it."""

import json
from typing import Any

from maml_tf.evaluation.page import Page
from maml_tf.serving.model_kinds import LANGUAGE_MODEL
from maml_tf.serving.served_versions import ServedVersions

EXAMPLE = {
    "support_texts": ["turn on the lamp", "play a song"],
    "support_labels": ["light", "music"],
    "query_texts": ["lamp on"],
}

CONVERSATION = {
    "signature_name": "generate",
    "inputs": {
        "state": [0],
        "turns": ["hello"],
        "temperature": 0,
        "top_k": 0,
        "top_p": 1,
        "seed": 0,
        "max_new_tokens": 64,
        "stops": [""],
    },
}


def front_page(versions: ServedVersions, address: str) -> str:
    """An HTML page on the model, its versions and signatures, with an example.

    Args:
        versions: what is served.
        address: where, as `http://localhost:8501`.
    """
    name, newest = versions.name, versions.newest()
    card = _card_of(versions, newest)
    held = versions.signatures(newest) if newest is not None else {}
    writes = LANGUAGE_MODEL in held
    page = Page(
        f"The model {name}",
        "It learns a person or a style from dialogues: adapt gives a state, with which "
        "generate writes replies and score compares them. Nothing is stored here."
        if writes
        else "It learns bots from examples: a request brings a bot's intents with a "
        "few sentences of each, and gets answers. No bot is trained or stored here.",
    )
    if card:
        most = card.get("most_classes")
        size = (
            ("tokens read at most", str(card.get("max_tokens")))
            if writes
            else ("intents of one bot", f"up to {most}" if most else "any number")
        )
        page.figures(
            [
                ("version", str(newest)),
                ("learner", str(card.get("learner"))),
                size,
                ("exported", str(card.get("exported"))),
            ]
        )
    page.section(
        "Ask it",
        "For a reply without a state, which a single 0 stands for:"
        if writes
        else "A bot of two intents and one question:",
    )
    body = json.dumps(CONVERSATION if writes else {"inputs": EXAMPLE}, indent=2)
    page.code(f"curl {address}/v1/models/{name}:predict -d '{body}'")
    page.section("Signatures")
    page.table(
        ["signature_name", "inputs", "outputs"],
        [
            [
                signature,
                _listed(function.structured_input_signature[1]),
                _listed(function.structured_outputs),
            ]
            for signature, function in sorted(held.items())
        ],
    )
    page.section("Versions")
    page.table(["version", "state", "what is wrong"], versions.status())
    page.section("For those who watch")
    base = f"/v1/models/{name}"
    page.table(
        ["path", "what it gives"],
        [
            ["/health", "status 200 while a version is served, else 503"],
            ["/metrics", "answers and their time, for Prometheus"],
            [base, "the state of every version"],
            [f"{base}/metadata", "signatures for programs"],
        ],
    )
    return page.html()


def _card_of(versions: ServedVersions, newest: int | None) -> dict[str, Any]:
    try:
        path = versions.folder / str(newest) / "model_card.json"
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the page does without
        return {}
    return card if isinstance(card, dict) else {}


def _listed(specs: dict[str, Any]) -> list[str]:
    """Names, types and axes, sizes that may be any left open."""
    return [
        f"{name}: {spec.dtype.name} "
        f"[{', '.join('…' if size is None else str(size) for size in spec.shape)}]"
        for name, spec in sorted(specs.items())
    ]
