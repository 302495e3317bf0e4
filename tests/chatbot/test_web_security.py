"""Who is answered by the chatbot's page, and what a browser may do with it."""

import re

import pytest

pytest.importorskip("starlette")

from chatbot.fake_chatbot import FakeChatbot
from script_runs import ROOT
from starlette.testclient import TestClient

from maml_tf.chatbot.web import OpenBots, create_app
from maml_tf.chatbot.web.security import is_loopback

PAGE = ROOT / "maml_tf/chatbot/web/page"
ASK = {"bot": "bot", "text": "hello"}


def client(token=None, base="http://localhost:8080"):
    bots = OpenBots(lambda name: FakeChatbot(), lambda: [])
    return TestClient(create_app(bots, token=token), base_url=base)


@pytest.mark.parametrize(
    "host", ["localhost:8080", "127.0.0.1", "127.8.9.1:1", "[::1]:8080", "LOCALHOST"]
)
def test_this_machines_own_names_are_answered(host):
    assert client().get("/api/bots", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8080", "192.168.0.4", "[::1", ""]
)
def test_no_other_name_is_answered_without_a_token(host):
    for path in ("/", "/api/bots"):
        answer = client().get(path, headers={"Host": host})
        assert answer.status_code == 403
        assert "localhost only" in answer.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_calls_from_other_sites_are_refused(headers):
    answer = client().post("/api/reply", json=ASK, headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.json()["error"]


def test_our_own_page_and_programs_may_call():
    ours = {"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}
    assert client().post("/api/reply", json=ASK, headers=ours).status_code == 200
    assert client().post("/api/reply", json=ASK).status_code == 200


def test_what_a_form_can_send_is_no_call():
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        for path in ("/api/reply", "/api/import"):
            answer = client().post(
                path, content=b'{"bot": "bot"}', headers={"Content-Type": kind}
            )
            assert answer.status_code == 415


def test_no_site_is_told_that_it_may_read():
    asked = {"Origin": "http://localhost:8080", "Access-Control-Request-Method": "POST"}
    answer = client().options("/api/reply", headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_with_a_token_any_name_is_answered_that_brings_it():
    outside = client("s3cret", "http://bots.example")
    assert outside.get("/").status_code == 200  # the page itself holds nothing
    for given in (None, "Bearer wrong", "s3cret", "Basic s3cret", "Bearer ключ"):
        headers = {} if given is None else {"Authorization": given.encode()}
        answer = outside.get("/api/bots", headers=headers)
        assert answer.status_code == 401
        assert "token" in answer.json()["error"]
        assert "s3cret" not in answer.text
    good = {"Authorization": "Bearer s3cret"}
    assert outside.get("/api/bots", headers=good).status_code == 200
    foreign = outside.get(
        "/api/bots", headers={**good, "Origin": "http://evil.example"}
    )
    assert foreign.status_code == 403


@pytest.mark.parametrize("path", ["/", "/chat.js", "/api/bots", "/nothing", "/api/no"])
def test_every_answer_carries_the_policy(path):
    headers = client().get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    if path.startswith("/api/"):
        assert headers["cache-control"] == "no-store"


def test_the_page_needs_nothing_that_the_policy_forbids():
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", html)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html))
    for path in PAGE.iterdir():
        text = path.read_text(encoding="utf-8")
        # The one address is the name of SVG, of which nothing is fetched.
        assert set(re.findall(r"https?://[^\"' ]+", text)) <= {
            "http://www.w3.org/2000/svg"
        }, path.name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|"
            r"\beval\(|new Function|@import|url\(",
            text,
        ), path.name


def test_loopback():
    assert is_loopback("localhost.") and is_loopback("127.3.2.1")
    assert not is_loopback("") and not is_loopback("0.0.0.0")
    assert not is_loopback("localhost.example")
