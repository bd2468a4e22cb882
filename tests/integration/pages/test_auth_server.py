"""The password sign-in on a real process: who gets in, how far, for how long, and how it ends."""

import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from itsdangerous import URLSafeTimedSerializer
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.integration.pages.conftest import DashboardProcess, close_code, free_port, write_config
from tests.waiting import patient

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
CONFIG = f"""
[auth]
mode = "password"

[[auth.users]]
name = "ann"
password_hash = "{CHEAP.hash("right horse")}"
role = "operator"

[[auth.users]]
name = "<i>vic</i>"
password_hash = "{CHEAP.hash("battery")}"
"""
ROUTES = (
    "/",
    "/logs",
    "/settings",
    "/wk/live",
    "/wk/api/v1/status",
    "/wk/api/v1/logs/records",
    "/_stcore/health",
    "/_stcore/metrics",
    "/_stcore/host-config",
    "/_stcore/stream",
    "/_stcore/upload_file/a/b",
    "/_stcore/agent/interact",
    "/media/x.png",
    "/component/x/index.html",
    "/static/js/index.js",
    "/auth/login",
    "/oauth2callback",
)


class Guarded:
    """A dashboard with a password sign-in, and where its files are."""

    def __init__(self, place: Path, text: str = CONFIG) -> None:
        self.data = place / "data"
        config = write_config(place / "watchkeeper.toml", text)
        self.process = DashboardProcess(self.data, config, free_port(), [])
        self.url = self.process.url

    def browser(self) -> httpx.Client:
        """A browser without cookies."""
        return httpx.Client(base_url=self.url, trust_env=False)

    def sign_in(self, browser: httpx.Client, name: str, password: str, *, way: str = "/") -> httpx.Response:
        """Fill in the form."""
        token = token_of(browser.get("/wk/login").text)
        fields = {"token": token, "name": name, "password": password, "next": way}
        return browser.post("/wk/login", data=fields, headers={"Origin": self.url})

    def cookie(self, browser: httpx.Client) -> tuple[str, str]:
        """Name and value of the sign-in's cookie."""
        name = next(cookie for cookie in browser.cookies if not cookie.endswith("_form"))
        return name, browser.cookies[name]


def token_of(page: str) -> str:
    """The form's token."""
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A running dashboard that asks for a password."""
    found = Guarded(tmp_path_factory.mktemp("auth"))
    try:
        found.process.wait_until_up()
        yield found
    finally:
        found.process.end()


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_needs_a_sign_in(guarded: Guarded, route: str) -> None:
    """Pages, data, Streamlit's own routes and files all answer 401 to a stranger, by any method."""
    for method in ("GET", "POST", "PUT", "HEAD", "OPTIONS"):
        assert httpx.request(method, guarded.url + route, trust_env=False).status_code == 401, method


@pytest.mark.parametrize("route", ["/wk/live", "/_stcore/stream"])
def test_every_socket_needs_a_sign_in(guarded: Guarded, route: str) -> None:
    """A WebSocket's handshake answers 401 to a stranger."""
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(f"ws://{guarded.process.address}{route}", origin=guarded.url, proxy=None),
    ):
        pass
    assert refused.value.response.status_code == 401


def test_health_stays_open(guarded: Guarded) -> None:
    """A supervisor can ask for health without a sign-in, and learns nothing else."""
    assert httpx.get(f"{guarded.url}/healthz", trust_env=False).json() == {"status": "ok"}


def test_a_deep_link_shows_the_form_and_leads_back(guarded: Guarded) -> None:
    """Opening a page without a sign-in shows the form there; after it one is where one wanted to be."""
    with guarded.browser() as browser:
        page = browser.get("/logs?q=%3Cb%3E%22&level=error", headers={"Accept": "text/html"})
        assert page.status_code == 401
        assert "link" not in page.headers, "its own policy allows no script"
        assert '<label for="password">' in page.text
        assert "<b>" not in page.text
        way = "/logs?q=%3Cb%3E%22&level=error"
        entered = guarded.sign_in(browser, "ann", "right horse", way=way)
        assert (entered.status_code, entered.headers["location"]) == (303, way)
        assert browser.get("/logs").status_code == 200
        assert browser.get("/wk/api/v1/status").status_code == 503  # past the gate; there is no agent
        assert browser.get("/wk/login?next=/logs").headers["location"] == "/logs"


def test_the_cookie_is_kept_from_scripts_and_other_sites(guarded: Guarded) -> None:
    """The cookie is HttpOnly and SameSite=Lax; the key that signs it can be read by its owner alone."""
    with guarded.browser() as browser:
        entered = guarded.sign_in(browser, "ann", "right horse")
        header = next(h for h in entered.headers.get_list("set-cookie") if "_form" not in h)
    assert "HttpOnly" in header
    assert "SameSite=lax" in header
    assert "Max-Age=43200" in header
    assert (guarded.data / "dashboard.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("target", ["//evil.example", "http://evil.example/", "/\\evil", "javascript:alert(1)", "wk"])
def test_the_way_back_stays_here(guarded: Guarded, target: str) -> None:
    """After a sign-in one is never led to another site."""
    with guarded.browser() as browser:
        assert guarded.sign_in(browser, "ann", "right horse", way=target).headers["location"] == "/"


def test_wrong_passwords_are_slowed_down(guarded: Guarded) -> None:
    """A name and an address with repeated wrong passwords must wait, even with the right one; others need not."""
    with guarded.browser() as browser:
        answers = [guarded.sign_in(browser, "mallory", "x") for _ in range(5)]
        assert [a.status_code for a in answers[:3]] == [401] * 3
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert "role=" in answers[0].text
        assert guarded.sign_in(browser, "ann", "right horse").status_code == 303


@pytest.mark.parametrize(
    "odd", ["next=//[", "&".join(f"a{number}=1" for number in range(50)), "name=%ED%A0%80", "password=" + "a" * 10_000]
)
def test_an_odd_form_is_shown_again(guarded: Guarded, odd: str) -> None:
    """Too many fields, an address that is none, half a character: never an error of the server."""
    with guarded.browser() as browser:
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": guarded.url}
        assert browser.post("/wk/login", content=odd, headers=kind).status_code == 403
        assert browser.get("/wk/login?next=//[").status_code == 200
        assert browser.get("/wk/login", headers={"Origin": "http://["}).status_code == 403


def test_names_are_never_markup(guarded: Guarded) -> None:
    """What was typed comes back escaped."""
    with guarded.browser() as browser:
        answer = guarded.sign_in(browser, '"><script>alert(1)</script>', "x")
    assert "<script" not in answer.text


def test_a_form_of_another_site_is_refused(guarded: Guarded) -> None:
    """Without the form's own token and cookie, or from another origin, a right password does not sign in."""
    fields = {"name": "ann", "password": "right horse", "next": "/"}
    with guarded.browser() as browser:
        assert browser.post("/wk/login", data=fields).status_code == 403
        token = token_of(browser.get("/wk/login").text)
        elsewhere = {"Origin": "http://evil.example"}
        assert browser.post("/wk/login", data=fields | {"token": token}, headers=elsewhere).status_code == 403
        assert browser.post("/wk/login", data=fields | {"token": "x" + token}).status_code == 403
    with guarded.browser() as another:
        assert another.post("/wk/login", data=fields | {"token": token}).status_code == 403


def test_forged_and_old_cookies_are_worth_nothing(guarded: Guarded) -> None:
    """A changed cookie, one signed with another key, and one whose time is over do not let in."""
    with guarded.browser() as browser:
        guarded.sign_in(browser, "ann", "right horse")
        name, value = guarded.cookie(browser)
    key = (guarded.data / "dashboard.key").read_text("ascii").strip()
    assert name == f"watchkeeper_{hashlib.blake2b(key.encode(), digest_size=4).hexdigest()}"
    real = URLSafeTimedSerializer(key, salt="watchkeeper.session")
    content = real.loads(value)

    class Old(type(real.make_signer())):
        def get_timestamp(self) -> int:
            return int(time.time()) - 12 * 3600 - 5

    old = URLSafeTimedSerializer(key, salt="watchkeeper.session", signer=Old).dumps(content)
    stranger = URLSafeTimedSerializer("another key", salt="watchkeeper.session").dumps(content)
    other_salt = URLSafeTimedSerializer(key, salt="watchkeeper.form").dumps(content)
    unknown = real.dumps(content | {"user": "root"})
    old_password = real.dumps(content | {"of": "0" * 24})
    for forged in (value[:-2] + "xx", stranger, other_salt, old, unknown, old_password, real.dumps([1]), "", "\x01"):
        answer = httpx.get(f"{guarded.url}/logs", headers={"Cookie": f"{name}={forged}"}, trust_env=False)
        assert answer.status_code in {400, 401}, forged
    answer = httpx.get(f"{guarded.url}/logs", headers={"Cookie": f"{name}={value}"}, trust_env=False)
    assert answer.status_code == 200


def test_signing_out_ends_the_cookie_and_its_sockets(guarded: Guarded) -> None:
    """After signing out a kept copy of the cookie lets in nobody, and open live sockets are closed."""
    with guarded.browser() as browser:
        guarded.sign_in(browser, "ann", "right horse")
        name, value = guarded.cookie(browser)
        copy = {"Cookie": f"{name}={value}"}
        address = f"ws://{guarded.process.address}/wk/live"
        with connect(address, origin=guarded.url, additional_headers=copy, proxy=None) as tab:
            tab.send('{"subscribe": {}}')
            assert '"away"' in str(tab.recv(patient(5)))
            other_site = browser.get("/wk/logout", headers={"Sec-Fetch-Site": "cross-site"})
            assert other_site.status_code == 200  # asked back, not signed out
            assert browser.get("/wk/logout").headers["location"] == "/wk/login"
            assert close_code(tab) == 4401
    assert httpx.get(f"{guarded.url}/logs", headers=copy, trust_env=False).status_code == 401


def test_the_key_must_be_private(tmp_path: Path) -> None:
    """A key that others can read ends the start with what to do."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "dashboard.key").write_text("k" * 64, "ascii")
    (data / "dashboard.key").chmod(0o644)
    process = DashboardProcess(data, write_config(tmp_path / "c.toml", CONFIG), free_port(), [])
    try:
        assert process.process.wait(patient(60)) == 2
        assert "chmod 600" in process.log.read_text()
    finally:
        process.end()
