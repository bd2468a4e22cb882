"""Signing in with a provider, as a person does it in a browser: from a deep link and back, by role, and out again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.doubles.alone import ALONE
from tests.doubles.oidc_provider import Provider, secrets_file
from tests.integration.pages.conftest import free_port
from tests.system.browser.conftest import SETTLED, end, start

pytestmark = pytest.mark.browser
CONFIG = f"""
[auth]
mode = "oidc"
operators = ["ann@example.org"]
{ALONE}[sampling]
interval_s = 3
"""


@dataclass
class Guarded:
    """A watch behind a provider."""

    url: str
    provider: Provider
    place: Path

    def sign_in(self, context: BrowserContext, email: str) -> Page:
        """Open the settings, be sent to the provider, choose who one is, and come back."""
        page = context.new_page()
        page.goto(f"{self.url}/settings")
        page.get_by_role("link", name="Sign in").click()
        page.get_by_role("link", name=email).click()
        page.wait_for_url(f"{self.url}/**")
        page.wait_for_selector(SETTLED)
        page.get_by_role("link", name="Settings", exact=True).click()
        expect(page.get_by_role("heading", name="Settings", exact=True, level=1)).to_be_visible()
        page.wait_for_selector(SETTLED)
        return page


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """`watchkeeper up` with the provider's client written beside its settings."""
    place = tmp_path_factory.mktemp("oidc")
    provider = Provider(free_port(), ["ann@example.org", "bob@example.org"])
    (place / "watchkeeper.toml").write_text(CONFIG, "utf-8")
    (place / "secrets.toml").write_text(secrets_file(provider.issuer, "http://127.0.0.1:{port}"), "utf-8")
    provider.start()
    words = ("up", "--no-browser", "--port", "0", "--json", "--data-dir", str(place / "data"))
    process = start(place, *words, "--config", str(place / "watchkeeper.toml"))
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline() or "{}")
        assert ready.get("event") == "ready", ready
        yield Guarded(ready["url"], provider, place)
    finally:
        end(process)
        provider.stop()


def test_roles_come_from_the_list_of_operators_and_signing_out_leads_to_the_door(
    context: BrowserContext, guarded: Guarded
) -> None:
    """The operator's settings can be changed, the viewer's only looked at; both see the live socket's numbers.

    After the link *Sign out* the provider has been told, and every page asks for the sign-in again.
    """
    only_look = "You can view settings. Only operators can change them."
    for email, operator in (("ann@example.org", True), ("bob@example.org", False)):
        page = guarded.sign_in(context, email)
        expect(page.get_by_text(only_look)).to_have_count(0 if operator else 1)
        page.get_by_role("link", name="Overview", exact=True).click()
        expect(page.locator(".kpi strong").first).to_be_visible()
        told = len(guarded.provider.ended)
        page.get_by_role("link", name="Sign out").click()
        expect(page.get_by_role("link", name="Sign in")).to_be_visible()
        assert len(guarded.provider.ended) == told + 1
        page.goto(f"{guarded.url}/logs")
        expect(page.get_by_role("link", name="Sign in")).to_be_visible()
        page.close()
