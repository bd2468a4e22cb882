"""What a page's answer lets the browser fetch in advance."""

import posixpath
import re

import pytest

from pages.server.assets import FOLDER, FRAME, PARTS, other_parts, preloads


@pytest.mark.parametrize("path", [*PARTS, "/settings", "/nowhere"])
def test_all_scripts_of_the_page_and_their_imports_are_named(path: str) -> None:
    """Each address is there, and nothing that one of the scripts imports is left for later."""
    named = re.findall(r"/wk/assets/([\w/-]+)\.js\?v=\w+>; rel=modulepreload", preloads(path))
    assert {"live/hub", *FRAME, *PARTS.get(path, ())} <= set(named)
    for name in named:
        script = (FOLDER / f"{name}.js").read_text("utf-8")
        imported = re.findall(r'^import .* from "([./\w-]+)\.js"', script, re.MULTILINE)
        assert {posixpath.normpath(f"{posixpath.dirname(name)}/{path}") for path in imported} <= set(named), name
    assert len(named) == len(set(named))


def test_every_component_is_preloaded_by_a_page_or_mounted_on_demand() -> None:
    """A script with a component that no page names would only load late; the opinion panel is the one that opens on a click."""
    components = {
        path.relative_to(FOLDER).with_suffix("").as_posix()
        for path in FOLDER.rglob("*.js")
        if "export default" in path.read_text("utf-8")
    }
    assert components - {"logs/opinion"} == {*FRAME, *other_parts()}


def test_the_live_socket_comes_first() -> None:
    """What opens the live socket is asked for before everything else, and nothing else is as urgent."""
    entries = [entry.strip() for entry in preloads("/").split(", ")]
    urgent = [re.search(r"assets/([\w/-]+)\.js", entry) for entry in entries if "fetchpriority=high" in entry]
    assert [one[1] for one in urgent if one] == ["live/early", "live/hub", "live/processes", "live/ring"]
    assert all("fetchpriority=high" in entry for entry in entries[: len(urgent)])
