"""Guessing on a real dashboard: many at once, and under made-up addresses."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.pages.test_auth_server import CONFIG, Guarded, token_of
from tests.waiting import patient


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    """A running dashboard that nobody has guessed at."""
    found = Guarded(tmp_path)
    try:
        found.process.wait_until_up()
        yield found
    finally:
        found.process.end()


def opened(guarded: Guarded) -> tuple[dict[str, str], str]:
    """The form as a browser has it: cookies, and the token."""
    with guarded.browser() as browser:
        token = token_of(browser.get("/wk/login").text)
        return dict(browser.cookies), token


def guess(guarded: Guarded, name: str, address: str = "", form: tuple[dict[str, str], str] | None = None) -> int:
    """One wrong password, in a form of its own if none is given; the status of the answer."""
    cookies, token = form or opened(guarded)
    with guarded.browser() as browser:
        browser.cookies.update(cookies)
        headers = {"Origin": guarded.url} | ({"X-Forwarded-For": address} if address else {})
        fields = {"token": token, "name": name, "password": "guessed", "next": "/"}
        return browser.post("/wk/login", data=fields, headers=headers, timeout=patient(60)).status_code


def test_a_made_up_address_does_not_help(guarded: Guarded) -> None:
    """Without a trusted proxy, `X-Forwarded-For` changes nothing: the fourth guess must wait."""
    assert [guess(guarded, "ann", f"10.0.0.{number}") for number in range(4)] == [401, 401, 401, 429]


def test_guesses_at_once_are_all_counted(guarded: Guarded) -> None:
    """Of many at once for one name few are checked, no answer is an error of the server, and the person gets in at last."""
    form = opened(guarded)
    with ThreadPoolExecutor(20) as pool:
        found = Counter(pool.map(lambda _: guess(guarded, "nobody", form=form), range(20)))
    assert found[401] <= 10  # three are free; on a slow machine the first waits end meanwhile
    assert found[429] == 20 - found[401]
    with ThreadPoolExecutor(30) as pool:
        found = Counter(pool.map(lambda number: guess(guarded, f"nobody {number}", form=form), range(45)))
    assert set(found) <= {401, 429, 503}
    assert found[429] >= 15
    assert "Traceback" not in guarded.process.log.read_text()


def test_a_trusted_proxy_names_the_visitor(tmp_path: Path) -> None:
    """With the proxy in the settings each visitor behind it has an address of their own."""
    found = Guarded(tmp_path, f'[dashboard]\ntrusted_proxies = ["127.0.0.0/8"]\n{CONFIG}')
    try:
        found.process.wait_until_up()
        assert [guess(found, "ann", f"10.0.0.{number}") for number in range(5)] == [401] * 5
        assert guess(found, "ann", "10.0.0.1") == 401
    finally:
        found.process.end()
