"""A link to a view: what moves with the time becomes fixed, all else stays."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pages.ui.timerange import WINDOWS, from_address
from tests.doubles.node import run_script

NOW_MS = 1_796_040_000_123


def lasting(href: str, windows: dict[str, int]) -> str:
    """What is copied."""
    script = 'const share = await load("core/share"); return share.lastingUrl(...given)'
    answer: Any = run_script(script, [href, windows, NOW_MS])
    return str(answer)


@pytest.mark.parametrize("name", [None, *WINDOWS])
def test_a_range_up_to_now_becomes_two_moments(name: str | None) -> None:
    """Its length stays, it ends at the moment of the click, and the page reads it back."""
    start = f"range={name}&" if name else ""
    found = urlsplit(lasting(f"http://127.0.0.1:8501/base/logs?{start}query=a+OR+b", WINDOWS))
    params = parse_qs(found.query)
    assert (found.path, params["query"]) == ("/base/logs", ["a OR b"])
    when = from_address(params["range"][0], params["from"][0], params["to"][0])
    assert when.bounds == (NOW_MS * 1000 - WINDOWS[name or "live"] * 1_000_000, NOW_MS * 1000)


def test_a_fixed_range_and_a_whole_run_stay() -> None:
    """A custom range stands in the address already; the page of an ended run has no range that moves."""
    custom = "http://127.0.0.1:8501/?range=custom&from=2026-11-01T00:00:00Z&to=2026-11-01T01:00:00Z"
    assert lasting(custom, WINDOWS) == custom
    assert lasting("http://127.0.0.1:8501/run?run=7", {}) == "http://127.0.0.1:8501/run?run=7"
