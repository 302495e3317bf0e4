"""A chatbot on exports: on disk, over a server, of a learner that changes its head."""

import pytest
from serving.small_exports import LABELS, SUPPORT, exports

from maml_tf.chatbot import Chatbot
from maml_tf.serving import Client, RequestError


def taught(model, path):
    bot = Chatbot(model, path)
    for text, label in zip(SUPPORT, LABELS, strict=True):
        bot.teach(label, [text], [f"{label}!"])
    return bot


@pytest.mark.parametrize("kind", ["prototypical", "maml"])
def test_replies_are_the_export_s_own(kind, tmp_path):
    bot = taught(exports(kind).folder, tmp_path / "b.sqlite")
    reply = bot.reply("lamp on please")
    answers = Client(exports(kind).folder).classify(SUPPORT, LABELS, ["lamp on please"])
    chances = {a.intent: a.probability for a in reply.alternatives}
    for name, chance in zip(answers.class_names, answers.probabilities[0], strict=True):
        assert chances[name] == pytest.approx(float(chance), abs=1e-5)
    assert reply.margin == pytest.approx(float(answers.margins[0]), abs=1e-4)
    assert {why.text for why in reply.because} <= set(SUPPORT)
    assert len(bot.map()) == len(SUPPORT)


def test_limits_of_an_export_are_known(tmp_path):
    bot = Chatbot(exports("maml").folder, tmp_path / "b.sqlite")
    assert bot.limits.examples == 160  # 40 for each of its four classes
    with pytest.raises(RequestError, match=r"161 examples.*at most 160"):
        bot.teach("light", [f"lamp {number}" for number in range(161)])


def test_over_a_server(server, tmp_path):
    client = Client(f"http://127.0.0.1:{server.rest_port}", "bot")
    bot = taught(client, tmp_path / "b.sqlite")
    local = taught(exports("prototypical").folder, tmp_path / "c.sqlite")
    replies = [b.reply("lamp on please") for b in (bot, local)]
    assert replies[0].confidence == pytest.approx(replies[1].confidence, abs=1e-5)
    assert [w.text for w in replies[0].because] == [w.text for w in replies[1].because]
