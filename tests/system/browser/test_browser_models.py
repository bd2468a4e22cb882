"""The model shelf in a real browser: a model is fetched with progress, loaded, tried and deleted, with a server that keeps state behind it."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import TimeoutError as TookTooLong
from playwright.sync_api import expect

from monitor.client.client import Client
from tests.doubles.stateful_ollama import Held, StatefulOllama, serve_on_thread
from tests.system.browser.conftest import Watch, Window
from tests.waiting import patient, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def server(watch: Watch) -> Iterator[StatefulOllama]:
    """An Ollama that the watch's agent knows for as long as the test lasts."""
    stock = StatefulOllama(held={"m:latest": Held(8192, 1800.0)}, registry={"new:1b": 2_000_000_000})
    with serve_on_thread(stock), Client.of(watch.place / "data", timeout_s=patient(30)) as client:
        client.save_settings({"engines.ollama_url": stock.url})
        wait_until(
            lambda: client.refresh_engines() and client.ai.models.all().shelves, "the server is found", seconds=60
        )
        yield stock
        client.save_settings({"engines.ollama_url": None})


def test_a_model_is_fetched_loaded_tried_and_deleted_with_clicks(window: Window, server: StatefulOllama) -> None:
    """Progress while it is fetched, the model in the table when it is here, in memory after a click, an answer with figures, and a question before it is gone."""
    page = window.open("/ai")
    shelf = page.locator(".st-key-models")
    expect(shelf.get_by_role("row").filter(has_text="m:latest")).to_contain_text("in memory")
    shelf.locator(".st-key-shelf_new_0 input").fill("new:1b")
    shelf.locator(".st-key-shelf_fetch_go_0 button").first.click()
    expect(shelf.get_by_text("954 MiB of 1.9 GiB").first).to_be_visible()  # while it is drawn anew, twice
    server.fetching.set()
    expect(shelf.get_by_role("row").filter(has_text="new:1b")).to_be_visible()
    shelf.locator(".st-key-shelf_model_0 input").click()
    page.get_by_role("option", name="new:1b").click()
    expect(shelf.locator("code").filter(has_text="ollama run new:1b")).to_be_visible()
    shelf.get_by_role("button", name="Load").first.click()
    page.locator(".st-key-shelf_load_0 button").first.click()
    expect(shelf.get_by_role("row").filter(has_text="new:1b")).to_contain_text("in memory")
    chat = page.locator(".st-key-chat")
    box, option = (
        chat.get_by_role("combobox", name="Engine"),
        page.get_by_role("option", name="Ollama", exact=True).first,
    )

    def chosen() -> bool:
        if not option.is_visible():  # what runs again after the click on Load closes a list that was just opened
            box.click()
        with suppress(TookTooLong):
            option.click(timeout=1000)
            return True
        return False

    wait_until(chosen, "the engine is chosen")
    chat.get_by_role("textbox", name="Ask this model").fill("Say words.")
    page.keyboard.press("Enter")
    expect(chat.get_by_text("first token after")).to_be_visible()
    expect(chat.get_by_text("word word word").first).to_be_visible()
    talk = chat.get_by_role("log", name="Conversation")
    talk.evaluate("(box) => (box.style.height = '60px')")  # longer than its box, as a conversation soon is
    talk.focus()
    expect(talk).to_be_focused()
    assert talk.evaluate("(box) => box.scrollHeight > box.clientHeight")
    assert window.violations(".st-key-models, .st-key-chat") == []
    shelf.get_by_role("button", name="Delete").first.click()
    expect(page.get_by_text("from the server's disk?")).to_be_visible()
    page.locator(".st-key-shelf_delete_0 button").first.click()
    expect(shelf.get_by_text("new:1b is deleted")).to_be_visible()
    assert "new:1b" not in server.models
    assert window.hosts <= {window.url.split("/")[2]}
