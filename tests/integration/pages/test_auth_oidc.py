"""The sign-in by OpenID Connect: a real dashboard, a real (small) provider, and every step between them."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.doubles.oidc_provider import Provider, secrets_file
from tests.integration.pages.conftest import DashboardProcess, close_code, free_port, write_config
from tests.waiting import patient

CONFIG = '[auth]\nmode = "oidc"\noperators = ["Ann@Example.org"]\n'
PAGE = {"Accept": "text/html"}


class Signed:
    """A dashboard, its provider, and a browser's steps."""

    def __init__(self, place: Path) -> None:
        port = free_port()
        self.provider = Provider(free_port(), ["ann@example.org", "bob@example.org"])
        config = write_config(place / "watchkeeper.toml", CONFIG)
        self.secrets = write_config(
            place / "secrets.toml", secrets_file(self.provider.issuer, f"http://127.0.0.1:{port}")
        )
        self.process = DashboardProcess(place / "data", config, port, [])
        self.url = self.process.url

    def browser(self) -> httpx.Client:
        """A browser without cookies that follows no redirect by itself."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=patient(30))

    def to_provider(self, browser: httpx.Client) -> str:
        """Open a page, follow the sign-in's link; answers where the provider is asked."""
        page = browser.get("/logs", headers=PAGE)
        assert page.status_code == 401
        link = re.search(r'class="go" href="([^"]+)"', page.text)
        assert link is not None, page.text
        asked = browser.get(html.unescape(link[1]))
        assert asked.status_code == 302, asked.text
        return asked.headers["location"]

    def sign_in(self, browser: httpx.Client, email: str) -> httpx.Response:
        """The whole way; answers what the callback answered."""
        chosen = httpx.get(self.to_provider(browser), params=None, trust_env=False).text
        link = next(found for found in re.findall(r'href="([^"]+)"', chosen) if email.replace("@", "%40") in found)
        back = httpx.get(html.unescape(link), trust_env=False)
        assert back.status_code == 302, back.text
        return browser.get(back.headers["location"])

    def cookies(self, browser: httpx.Client) -> dict[str, str]:
        """The browser's cookies as a header."""
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    """A running dashboard that asks a running provider."""
    found = Signed(tmp_path_factory.mktemp("oidc"))
    found.provider.start()
    try:
        found.process.wait_until_up()
        yield found
    finally:
        found.process.end()
        found.provider.stop()


@pytest.fixture(autouse=True)
def honest(signed: Signed) -> Iterator[None]:
    """The provider is honest again after each test."""
    yield
    signed.provider.spoil = ""


def test_a_round_trip_signs_in(signed: Signed) -> None:
    """Page, provider, code, token, cookie: before it pages and sockets are refused, after it they answer."""
    live = f"ws://{signed.process.address}/wk/live"
    with signed.browser() as browser:
        with (
            pytest.raises(InvalidStatus) as refused,
            connect(live, origin=signed.url, proxy=None),
        ):
            pass
        assert refused.value.response.status_code == 401
        asked = urlsplit(signed.to_provider(browser))
        assert f"{asked.scheme}://{asked.netloc}" == signed.provider.issuer
        assert {"code_challenge", "nonce", "state"} <= {pair.partition("=")[0] for pair in asked.query.split("&")}
        assert signed.sign_in(browser, "ann@example.org").status_code == 302
        assert browser.get("/logs", headers=PAGE).status_code == 200
        assert browser.get("/wk/api/v1/status").status_code == 503  # past the gate; there is no agent
        with connect(live, origin=signed.url, additional_headers=signed.cookies(browser), proxy=None) as tab:
            tab.send('{"subscribe": {}}')
            assert '"away"' in str(tab.recv(patient(10)))


@pytest.mark.parametrize("spoilt", ["signature", "nonce", "issuer", "audience", "time", "state"])
def test_what_the_provider_did_not_sign_for_us_is_worth_nothing(signed: Signed, spoilt: str) -> None:
    """A token of another key, for another client, of another sign-in, or too old signs nobody in."""
    signed.provider.spoil = spoilt
    with signed.browser() as browser:
        signed.sign_in(browser, "ann@example.org")
        assert browser.get("/logs", headers=PAGE).status_code == 401


def test_a_callback_cannot_be_used_twice_or_elsewhere(signed: Signed) -> None:
    """The provider's answer works once, and only in the browser that asked."""
    with signed.browser() as browser, signed.browser() as another:
        chosen = httpx.get(signed.to_provider(browser), trust_env=False).text
        link = next(found for found in re.findall(r'href="([^"]+)"', chosen) if "ann" in found)
        back = httpx.get(html.unescape(link), trust_env=False).headers["location"]
        another.get(back)
        assert another.get("/logs", headers=PAGE).status_code == 401
        before = signed.provider.tokens
        browser.get(back)
        assert browser.get("/logs", headers=PAGE).status_code == 200
        another.cookies.update({"_streamlit_session": browser.cookies.get("_streamlit_session", "")})
        another.get(back)
        assert another.get("/logs", headers=PAGE).status_code == 401
        assert signed.provider.tokens == before + 1


def test_signing_out_ends_copies_and_sockets(signed: Signed) -> None:
    """After signing out the provider is told, a kept copy of the cookies lets in nobody, and open sockets are closed."""
    told = len(signed.provider.ended)
    with signed.browser() as browser:
        signed.sign_in(browser, "bob@example.org")
        copy = signed.cookies(browser)
        live = f"ws://{signed.process.address}/wk/live"
        with connect(live, origin=signed.url, additional_headers=copy, proxy=None) as tab:
            tab.send('{"subscribe": {}}')
            assert '"away"' in str(tab.recv(patient(10)))
            out = browser.get("/wk/logout")
            while out.is_redirect and out.headers["location"] != "/":
                where = out.headers["location"]
                out = (
                    httpx.get(where, trust_env=False)
                    if where.startswith(signed.provider.issuer)
                    else browser.get(where)
                )
            assert close_code(tab) == 4401
        assert len(signed.provider.ended) == told + 1
        assert browser.get("/logs", headers=PAGE).status_code == 401
    assert httpx.get(f"{signed.url}/logs", headers=PAGE | copy, trust_env=False).status_code == 401
    with signed.browser() as browser:
        signed.sign_in(browser, "bob@example.org")
        assert browser.get("/logs", headers=PAGE).status_code == 200


def test_forged_cookies_of_the_sign_in_are_worth_nothing(signed: Signed) -> None:
    """One letter changed in what says who one is, and nobody has signed in."""
    with signed.browser() as browser:
        signed.sign_in(browser, "bob@example.org")
        right = signed.cookies(browser)["Cookie"]
    name, _, value = right.partition("_streamlit_user=")
    for forged in (name + "_streamlit_user=x" + value, name + "_streamlit_user=" + value.replace(".", ".x", 1)):
        answer = httpx.get(f"{signed.url}/logs", headers=PAGE | {"Cookie": forged}, trust_env=False)
        assert answer.status_code == 401
