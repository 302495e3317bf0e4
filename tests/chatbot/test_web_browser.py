"""The chatbot's page in a real browser, from the first lesson past a killed server."""

import re
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from script_runs import ROOT, command
from serving.small_exports import exports

from maml_tf.chatbot import Chatbot
from maml_tf.serving import Client

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
playwright = pytest.importorskip("playwright.sync_api")

from maml_tf.chatbot.web import OpenBots, create_app  # noqa: E402  after the skips

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no chromium; apt-get install chromium"
)
SECONDS = 60_000  # of a browser's patience, in milliseconds


class Killed:
    """`python -m training.chat_web` on a store that outlives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0

    def start(self) -> str:
        """The address that it prints, the same after a restart."""
        self.process = subprocess.Popen(
            [
                *command("chat_web", f"--saved_model={exports('prototypical').folder}"),
                f"--store={self.folder / 'bots.sqlite'}",
                f"--port={self.port}",
                "--token=long-and-secret",
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        found = re.search(r"http://[^/]+:(\d+)/\S*", line)
        assert found, f"the server said {line!r}"
        self.port = int(found[1])
        return found[0]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def server(tmp_path):
    server = Killed(tmp_path)
    yield server
    if server.process.poll() is None:
        server.kill()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("chat") / "bots.sqlite"


@pytest.fixture(scope="module")
def address(store):
    """A server within this process, for all tests that do not kill it."""
    with serving(store) as address:
        yield address


@contextmanager
def serving(store):
    import uvicorn

    client = Client(exports("prototypical").folder)
    bots = OpenBots(
        lambda name: Chatbot(client, store, bot=name), lambda: Chatbot.bots(store)
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        running = uvicorn.Server(
            uvicorn.Config(create_app(bots), log_level="warning", ws="none")
        )
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{port}/"
        running.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        # Debian's chromium as root, as in a container, has no sandbox to offer.
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(SECONDS)
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    context.close()


def visit(page, address, bot=""):
    page.goto(f"{address}?bot={bot}" if bot else address)
    page.locator("body[data-ready]").wait_for()


def teach(page, intent, examples, response=""):
    page.fill("#teach-intent", intent)
    page.fill("#teach-examples", "\n".join(examples))
    page.fill("#teach-responses", response)
    page.click("#teach button")
    page.locator("#teach-said.good").filter(has_text=intent).wait_for()


def ask(page, text):
    """Says something as a person does, and gives the element of the answer."""
    page.locator(".waiting").wait_for(state="detached")  # an earlier question
    answers = page.locator(".theirs:not(.waiting)")
    count = answers.count()
    page.fill("#say", text)
    page.press("#say", "Enter")
    answers.nth(count).wait_for()
    return answers.nth(count)


def known(page):
    """The intents with their counts, as the page lists them."""
    rows = page.locator("#intents .intent summary")
    return [
        (row.locator(".name").inner_text(), int(row.locator(".number").inner_text()))
        for row in rows.all()
    ]


def test_nothing_is_forgotten_by_reloading_or_by_a_killed_server(server, page):
    address = server.start()
    assert address.endswith("#token=long-and-secret")
    visit(page, address)
    assert "secret" not in page.url
    teach(page, "light", ["turn on the lamp", "lights please"], "It is bright now.")
    teach(page, "music", ["play a song", "some jazz"], "Here it comes.")
    teach(page, "alarm", ["wake me at six", "set a timer"], "I will wake you.")
    answer = ask(page, "play a song")
    assert "play a song" in page.inner_text("#why")
    assert page.locator("#why .bars li").count() >= 2

    answer = ask(page, "louder")
    answer.locator(".fix select, .fix .chip").first.wait_for()
    chip = answer.locator(".fix .chip").filter(has_text="music")
    if chip.count():
        chip.click()
    else:
        said = answer.locator(".foot .why").inner_text()
        assert "music" in said  # taken for it already: say that it is the alarm
        answer.locator(".fix .chip").filter(has_text="alarm").click()
    page.locator(".note").filter(has_text="Learned").wait_for()
    before = known(page)
    assert sorted(count for _, count in before) == [2, 2, 3]
    talk = page.locator("#log .bubble").all_inner_texts()

    page.reload()
    page.locator("body[data-ready]").wait_for()
    assert page.locator("#log .bubble").all_inner_texts() == talk
    assert known(page) == before

    server.kill()
    page.fill("#say", "are you there")
    page.press("#say", "Enter")
    page.locator(".lost").filter(has_text="cannot be reached").wait_for()
    page.locator("#banner:not([hidden])").wait_for()
    server.start()
    page.locator("#banner").wait_for(state="hidden")
    assert known(page) == before
    page.get_by_role("button", name="Try again").click()
    page.locator(".lost").wait_for(state="detached")
    answer = ask(page, "louder")
    assert "louder" in page.inner_text("#why .because")
    assert not page.faults

    page.evaluate("sessionStorage.clear()")
    page.goto("about:blank")
    page.goto(address.partition("#")[0])
    page.fill("#token", "long-and-secret")
    page.press("#token", "Enter")
    page.locator("body[data-ready]").wait_for()
    assert known(page) == before


def test_text_is_never_html_and_bad_input_is_said_where_one_looks(address, page):
    visit(page, address, "evil")
    evil = "<img src=x onerror=alert(1)><b>bold</b>"
    teach(page, "bold", [evil], evil)
    teach(page, "music", ["play a song"])
    ask(page, evil)
    assert page.locator("#log b, #log img, #intents b, #why b, #why img").count() == 0
    assert evil in page.inner_text("#log")
    for intent, said in (
        ("", "empty"),
        ("?!", "letter or digit"),
        ("a" * 1000, "1000"),
    ):
        page.fill("#teach-intent", intent)
        page.fill("#teach-examples", "something")
        page.click("#teach button")
        page.locator("#teach-said.bad").filter(has_text=said).wait_for()
        # What was written is still there to be mended.
        assert page.input_value("#teach-examples") == "something"
    page.fill("#say", "long " * 4000)
    page.press("#say", "Enter")
    page.locator(".lost").filter(has_text="Shorten it").wait_for()
    assert len(page.input_value("#say")) > 10_000  # to be shortened
    page.set_input_files(
        "#file",
        {"name": "half.yml", "mimeType": "text/yaml", "buffer": b"nlu:\n- intent: ["},
    )
    page.locator("#toast").filter(has_text="half.yml").wait_for()
    assert [name for name, _ in known(page)] == ["bold", "music"]
    assert not page.faults


def test_all_of_it_by_keyboard(address, page):
    visit(page, address, "keys")
    teach(page, "light", ["turn on the lamp"])
    teach(page, "music", ["play a song"])
    reached = set()
    page.keyboard.press("/")
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count():
            name = focused.get_attribute("id") or focused.inner_text()
            reached.add(name or focused.get_attribute("aria-label"))
    wanted = {"bot", "undo", "import", "Export", "theme", "log", "say", "Send", "clear"}
    assert wanted <= reached
    assert {"teach-intent", "teach-examples", "teach-responses", "Teach"} <= reached

    page.focus("#say")
    page.keyboard.type("louder")
    page.keyboard.press("Enter")
    page.locator(".theirs:not(.waiting)").wait_for()
    chip = page.locator(".fix .chip").filter(has_text="none of them")
    chip.focus()
    page.keyboard.press("Enter")
    page.locator(".note").wait_for()
    page.focus("#undo")
    page.keyboard.press("Enter")
    page.locator("#toast").filter(has_text="Undone").wait_for()
    page.locator("#intents summary").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Forget this intent").first.focus()
    page.keyboard.press("Enter")
    page.locator("#toast").filter(has_text="Forgot").wait_for()
    assert [name for name, _ in known(page)] == ["music"]


def test_what_others_teach_shows_up_and_each_has_a_talk_of_their_own(
    address, store, page, browser
):
    """Two servers on one file, as two processes are: neither knows of the other."""
    other = browser.new_context().new_page()
    with serving(store) as elsewhere:
        visit(page, address, "shared")
        visit(other, elsewhere, "shared")
        teach(page, "light", ["turn on the lamp"])
        teach(other, "music", ["play a song"])
        ask(page, "turn on the lamp")
        for one in (page, other):
            for intent in ("light", "music"):
                one.locator("#intents").filter(has_text=intent).wait_for()
        assert other.locator("#log .message").count() == 0
        other.context.close()


def test_a_file_dropped_onto_the_page_and_saved_from_it(address, page, tmp_path):
    visit(page, address, "files")
    rows = b'{"text": "one large margherita", "intent": "pizza"}\n'
    rows += b'{"text": "where is my parcel", "intent": "parcel"}\n'
    page.evaluate_handle(
        """(text) => {
          const carried = new DataTransfer();
          carried.items.add(new File([text], "bot.jsonl"));
          for (const kind of ["dragenter", "dragover", "drop"]) {
            document.body.dispatchEvent(new DragEvent(kind, {
              bubbles: true, cancelable: true, dataTransfer: carried }));
          }
        }""",
        rows.decode(),
    )
    page.locator("#toast").filter(has_text="bot.jsonl").wait_for()
    assert known(page) == [("parcel", 1), ("pizza", 1)]
    page.click("#export summary")
    with page.expect_download() as saved:
        page.locator("#export a").first.click()
    assert saved.value.suggested_filename == "files.yml"
    saved.value.save_as(tmp_path / "bot.yml")
    assert "one large margherita" in (tmp_path / "bot.yml").read_text()


def test_readable_on_a_phone_in_both_themes(address, browser):
    for theme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": 380, "height": 720}, color_scheme=theme
        )
        page = context.new_page()
        visit(page, address)
        for part in ("Chat", "Why", "Intents"):
            page.get_by_role("button", name=part, exact=True).click()
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 380
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, re.findall(r"\d+", ground)[:3])) > 3 * 128
        assert light == (theme == "light")
        context.close()
