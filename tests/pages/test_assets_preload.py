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
