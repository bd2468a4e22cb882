"""What a page's answer lets the browser fetch in advance."""

import re

import pytest

from pages._assets import FOLDER, PARTS, preloads


@pytest.mark.parametrize("path", [*PARTS, "/settings", "/nowhere"])
def test_all_scripts_of_the_page_and_their_imports_are_named(path: str) -> None:
    """Each address is there, and nothing that one of the scripts imports is left for later."""
    named = re.findall(r"/wk/assets/([\w-]+)\.js\?v=\w+>; rel=modulepreload", preloads(path))
    assert {"strip", "footer", "live", *PARTS.get(path, ())} <= set(named)
    for name in named:
        imported = re.findall(
            r'^import .* from "\./([\w-]+)\.js"', (FOLDER / f"{name}.js").read_text("utf-8"), re.MULTILINE
        )
        assert set(imported) <= set(named), name
    assert len(named) == len(set(named))


def test_the_live_socket_comes_first() -> None:
    """What opens the live socket is asked for before everything else, and nothing else is as urgent."""
    entries = [entry.strip() for entry in preloads("/").split(", ")]
    urgent = [re.search(r"assets/([\w-]+)\.js", entry) for entry in entries if "fetchpriority=high" in entry]
    assert [one[1] for one in urgent if one] == ["early", "live", "procs", "ring"]
    assert all("fetchpriority=high" in entry for entry in entries[: len(urgent)])
