"""The sign-in's parts: waits that grow, ways back that stay, addresses that are loopback, OIDC's cookie and roles."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.core.endpoint import is_loopback
from monitor.core.errors import ConfigError
from pages.server.auth import NOBODY_ASKED, SignIn
from pages.server.dashboard import Dashboard, from_arguments, is_wildcard
from pages.server.gate import content_security_policy, host_name, same_origin
from pages.server.login import oidc_body, safe_next
from pages.server.throttle import FORGET_S, LONGEST_S, MOST_KEYS, Throttle
from tests.integration.pages.conftest import write_config

SECRET = "a secret that is long enough for tests"


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time it was set to."""
        return self.now


def _dashboard(place: Path, text: str) -> Dashboard:
    config = write_config(place / "watchkeeper.toml", text)
    return from_arguments(["--data-dir", str(place / "data"), "--config", str(config)], {})


def test_waits_double_and_end() -> None:
    """Each failure beyond the free ones doubles the wait, up to a limit; waiting it out lets one try again."""
    clock = Clock()
    throttle = Throttle(clock)
    waits = []
    for _ in range(14):
        throttle.failed("1.2.3.4", "ann")
        waits.append(throttle.wait_s("1.2.3.4", "ann"))
    assert waits[:2] == [0.0, 0.0]
    assert waits[2:6] == [1.0, 2.0, 4.0, 8.0]
    assert max(waits) == LONGEST_S
    clock.now += LONGEST_S
    assert throttle.wait_s("1.2.3.4", "ann") == 0.0


def test_the_longest_wait_holds_however_long_one_guesses() -> None:
    """After thousands of failures the wait is the longest one; after a quiet quarter of an hour counting begins anew."""
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(3000):
        throttle.failed("1.2.3.4", "ann")
    assert throttle.wait_s("1.2.3.4", "ann") == LONGEST_S
    clock.now += FORGET_S + 1
    throttle.failed("1.2.3.4", "ann")
    assert throttle.wait_s("1.2.3.4", "ann") == 0.0


def test_a_stranger_does_not_lock_a_person_out() -> None:
    """A few wrong passwords from elsewhere do not make the person wait; very many from everywhere do."""
    throttle = Throttle(Clock())
    for number in range(10):
        throttle.failed(f"10.0.0.{number}", "ann")
    assert throttle.wait_s("1.2.3.4", "ann") == 0.0
    for number in range(60):
        throttle.failed(f"10.0.1.{number}", "ann")
    assert throttle.wait_s("1.2.3.4", "ann") > 0.0


def test_memory_of_failures_is_bounded() -> None:
    """A flood of made-up names does not grow without end."""
    throttle = Throttle(Clock())
    for number in range(MOST_KEYS):
        throttle.failed("a", f"user {number}")
    assert len(throttle) <= MOST_KEYS


@example("//[")
@example("http://a\u2100b")
@given(st.text())
def test_the_way_back_is_always_a_path_of_ours(target: str) -> None:
    """Whatever was asked for, the answer begins with exactly one slash and names no other place."""
    way = safe_next(target)
    assert way.startswith("/")
    assert not way.startswith("//")
    assert "\\" not in way
    assert way.isprintable()


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.evil.example", False),
        ("2130706433", False),
        ("", False),
    ],
)
def test_loopback_is_known(address: str, *, loopback: bool) -> None:
    """Only this machine's own addresses count as loopback; names do not, but for localhost."""
    assert is_loopback(address) is loopback


def test_wildcards_are_known() -> None:
    """Addresses that stand for every interface are told from others."""
    assert [is_wildcard(a) for a in ("0.0.0.0", "::", "127.0.0.1", "host")] == [True, True, False, False]


@given(st.text())
def test_any_host_header_has_a_plain_name_or_none(host: str) -> None:
    """No `Host` header makes the check fail, and what comes out holds no separators."""
    name = host_name(host)
    assert name is None or not set(name) & set("/@?# ")


def test_origins_are_compared_with_the_host() -> None:
    """An origin is ours when its host and port are exactly those asked for."""
    assert same_origin("http://127.0.0.1:8501", "127.0.0.1:8501")
    assert same_origin("https://watch.example", "watch.example")
    for origin in (
        "null",
        "",
        "http://127.0.0.1:8502",
        "http://127.0.0.1:8501.evil",
        "http://evil.127.0.0.1:8501",
        "http://evil@127.0.0.1:8501",
        "file://127.0.0.1:8501",
        "http://",
        "http://[",
        "http://127.0.0.1\uff1a8501",
    ):
        assert not same_origin(origin, "127.0.0.1:8501")


def test_the_policy_allows_a_script_by_its_hash() -> None:
    """Inline scripts pass by hash, not by leave for all."""
    policy = content_security_policy(["x"])
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'sha256-LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE='" in script
    assert "unsafe-inline" not in script


def test_without_a_sign_in_everyone_here_is_operator(tmp_path: Path) -> None:
    """On loopback without a sign-in the person at the machine may do everything."""
    dashboard = _dashboard(tmp_path, "")
    dashboard.check()
    assert SignIn(dashboard).visitor({}) is NOBODY_ASKED
    assert not (tmp_path / "data").exists()


def test_reachable_addresses_without_a_sign_in_are_refused(tmp_path: Path) -> None:
    """A setting that opens the machine to strangers is refused with the reason."""
    with pytest.raises(ConfigError, match="no sign-in") as refused:
        _dashboard(tmp_path, '[dashboard]\nhost = "192.0.2.1"\n').check()
    assert refused.value.hint


PROVIDER = (
    '[auth]\nredirect_uri = "http://127.0.0.1:8501/oauth2callback"\ncookie_secret = "x1"\nclient_id = "a"\n'
    'client_secret = "b"\nserver_metadata_url = "https://id.example/.well-known/openid-configuration"\n'
)


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (None, "no provider is described"),
        ("", "no section"),
        ("[auth]\nclient_id = 3", "lacks redirect_uri, cookie_secret, client_secret, server_metadata_url"),
        ("[auth", "cannot be read"),
        ("auth = 3", "no provider is described"),
    ],
)
def test_a_sign_in_that_nobody_could_pass_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str | None, said: str
) -> None:
    """`auth.mode = oidc` without a provider is refused at the start and when it is set, with what is missing."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if provider is not None:
        (tmp_path / "secrets.toml").write_text(provider)
    dashboard = _dashboard(tmp_path, '[auth]\nmode = "oidc"\n')
    with pytest.raises(ConfigError, match=said) as refused:
        dashboard.check()
    assert refused.value.hint
    plain = _dashboard(tmp_path, "")
    with pytest.raises(ConfigError, match=said):
        plain.settings.save({"auth.mode": "oidc"})
    (tmp_path / "secrets.toml").write_text(PROVIDER)
    dashboard.check()


OIDC = '[auth]\nmode = "oidc"\noperators = ["Ann@Example.org"]\nsession_hours = 1\n'


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    """Streamlit's own key for cookies."""
    from streamlit import config

    previous = config.get_option("server.cookieSecret")
    config.set_option("server.cookieSecret", SECRET)
    monkeypatch.setattr("streamlit.web.server.server_util.secrets_singleton.load_if_toml_exists", lambda: False)
    yield SECRET
    config.set_option("server.cookieSecret", previous)


def _cookie(claims: dict[str, Any], key: str = SECRET) -> dict[str, str]:
    from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

    return {"_streamlit_user": create_signed_value(key, "_streamlit_user", json.dumps(claims)).decode()}


@pytest.mark.usefixtures("secret")
def test_oidc_visitors_have_roles_by_their_address(tmp_path: Path) -> None:
    """The cookie that Streamlit signs names the visitor; the list of operators decides the role."""
    sign_in = SignIn(_dashboard(tmp_path, OIDC))
    claims = {"is_logged_in": True, "origin": "http://127.0.0.1:8501", "email": "ann@example.org"}
    host = "127.0.0.1:8501"
    found = sign_in.visitor(_cookie(claims), host)
    assert found is not None
    assert (found.name, found.role) == ("ann@example.org", "operator")
    unverified = sign_in.visitor(_cookie(claims | {"email_verified": False}), host)
    other = sign_in.visitor(_cookie(claims | {"email": "bob@example.org"}), host)
    assert unverified is not None
    assert other is not None
    assert (unverified.role, other.role) == ("viewer", "viewer")


@pytest.mark.usefixtures("secret")
def test_oidc_cookies_of_others_are_worth_nothing(tmp_path: Path) -> None:
    """Another key, another host, no log-in, and no cookie: nobody is signed in."""
    sign_in = SignIn(_dashboard(tmp_path, OIDC))
    claims = {"is_logged_in": True, "origin": "http://127.0.0.1:8501", "email": "ann@example.org"}
    host = "127.0.0.1:8501"
    assert sign_in.visitor(_cookie(claims, "another key"), host) is None
    assert sign_in.visitor(_cookie(claims), "watch.example") is None
    assert sign_in.visitor(_cookie(claims | {"is_logged_in": False}), host) is None
    assert sign_in.visitor({}, host) is None
    assert sign_in.visitor({"_streamlit_user": "x"}, host) is None


def test_oidc_without_configuration_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sign-in page names the section and the package that are missing, instead of failing."""
    monkeypatch.setattr("streamlit.auth_util.secrets_singleton.load_if_toml_exists", lambda: False)
    assert "[auth]" in oidc_body()
    assert 'role="alert"' in oidc_body()
