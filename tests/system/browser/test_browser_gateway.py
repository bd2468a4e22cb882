"""The gateway in a real browser: switched on with one click, a key copied from the page into a program, and the program shown with what it used."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from playwright.sync_api import expect

from monitor.client.client import Client
from tests.system.browser.conftest import Watch, Window
from tests.waiting import patient, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
ASK = """
import sys, urllib.request
headers = {"Authorization": "Bearer " + sys.argv[2]}
print(len(urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=sys.argv[3].encode(), headers=headers)).read()))
sys.stdin.read()
"""


@pytest.fixture
def client(watch: Watch) -> Iterator[Client]:
    """The watch's agent; the gateway takes a free port, and is off again afterwards."""
    with Client.of(watch.place / "data", timeout_s=patient(30)) as found:
        found.save_settings({"gateway.port": 0})
        yield found
        found.save_settings({"gateway.port": None, "gateway.enabled": None, "gateway.keep_texts": None})
        found.gateway.delete_texts()
        for key in found.gateway.status().keys:
            found.gateway.remove_key(key.name)


def test_a_program_gets_address_and_key_from_the_page_and_is_shown_on_it(window: Window, client: Client) -> None:
    """Off → on → address → key → a call of the embedded model → who used which model, with a link to the process."""
    page = window.open("/ai")
    section = page.locator(".st-key-gateway")
    section.locator(".st-key-gateway_on label").first.click()
    expect(section.get_by_text("OpenAI's API: base URL")).to_be_visible()
    section.get_by_label("Program").fill("notebook")
    section.get_by_role("button", name="Make a key").click()
    expect(section.get_by_text("it is not shown again")).to_be_visible()
    codes = section.locator("code")
    address = codes.filter(has_text="/v1").first.inner_text()
    key = codes.filter(has_text="wk-").first.inner_text()
    wait_until(lambda: client.gateway.status().engines, "the gateway knows its engines", seconds=60)
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 4})
    program = subprocess.Popen(
        [sys.executable, "-c", ASK, f"{address}/chat/completions", key, body],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        (call,) = wait_until(
            lambda: [c for c in client.gateway.calls().calls if c.pid == program.pid], "the stored call", seconds=90
        )
        assert (call.outcome, call.key_name, call.pid) == ("answered", "notebook", program.pid)
        section.get_by_role("button", name="I have copied it").click()
        row = section.get_by_role("row").filter(has=page.get_by_role("link")).filter(has_text="notebook").first
        expect(row).to_be_visible()
        expect(row.get_by_role("link")).to_have_attribute("href", f"/run?run={call.run}")
        expect(section.get_by_text(key)).to_have_count(0)
        row.get_by_role("link").click()
        expect(page).to_have_url(re.compile(rf"/run\?run={call.run}$"))  # in this tab, as links elsewhere do
        page.go_back()
        expect(page).to_have_url(re.compile("/ai$"))
    finally:
        program.communicate()
    assert window.hosts <= {window.url.split("/")[2]}


def test_prompts_are_kept_read_and_deleted_on_the_page(window: Window, client: Client) -> None:
    """Not kept → kept with a click → a call's prompt and answer, its secret masked → deleted after a question."""
    client.save_settings({"gateway.enabled": True, "gateway.require_key": False})
    found = wait_until(lambda: (s := client.gateway.status()).address and s.engines and s, "the gateway", seconds=60)
    assert found
    page = window.open("/ai")
    section = page.locator(".st-key-gateway")
    section.get_by_text("Prompts and answers are not kept.").click()
    section.locator(".st-key-gateway_keep_texts label").first.click()
    wait_until(lambda: client.gateway.status().texts.keeps, "the setting")
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    body = {"model": "auto", "messages": [{"role": "user", "content": f"Is {secret} long?"}], "max_tokens": 4}

    def asked() -> bool:
        httpx.post(
            f"{found.address}/v1/chat/completions", json=body, timeout=patient(60), trust_env=False
        ).raise_for_status()
        return client.gateway.status().texts.calls > 0

    try:
        wait_until(asked, "kept texts", seconds=60)
        window.open("/ai")
        section.get_by_text("Prompts and answers are kept: those of").click()
        expect(section.locator("code").filter(has_text="user: Is ghp_*** long?")).to_be_visible()
        expect(section.get_by_text(secret)).to_have_count(0)
        sure = page.locator(".st-key-gateway_texts_delete button")
        for _ in range(3):  # a click while the section runs again by itself may be lost
            section.get_by_role("button", name="Delete all").click()
            with suppress(AssertionError):
                expect(sure).to_be_visible(timeout=patient(5) * 1000)
                break
        expect(sure).to_be_visible()
        ran = section.get_by_text("answered since its start")
        before = ran.inner_text()
        wait_until(lambda: (asked(), ran.inner_text() != before)[1], "the section ran again by itself", seconds=60)
        sure.click()
        wait_until(lambda: not client.gateway.texts().texts, "all are deleted")
        expect(sure).to_be_hidden()
        expect(section.get_by_text("Prompts and answers are kept from now on.")).to_be_visible()
    finally:
        client.save_settings({"gateway.require_key": None})
