"""What stands at the place of a live component that cannot be loaded."""

import pytest

from pages.ui.mount import LOADER
from tests.doubles.node import run_script

FAILED = """
const { default: loader } = await import("data:text/javascript," + encodeURIComponent(given.loader));
const said = [];
const host = { style: {}, clientWidth: given.width, replaceChildren: (...nodes) => said.splice(0, said.length, ...nodes) };
globalThis.innerWidth = 360;
globalThis.document = { baseURI: "file:///nowhere/", createElement: () => ({ setAttribute(name, value) { this[name] = value; } }) };
await loader({ data: { module: "missing.js", reserve: ["9px", "9px"] }, parentElement: { querySelector: () => host } });
return said.map(({ textContent, role, title }) => [textContent, role ?? null, title ?? ""]);
"""
SAYS = "Reload the page, and check that Watchkeeper is running."


@pytest.mark.parametrize(("width", "narrow"), [(44, True), (104, True), (208, False), (900, False)])
def test_a_part_that_cannot_be_loaded_says_so_in_its_place(width: int, *, narrow: bool) -> None:
    """A sentence where there is room for one; in the place of a button a sign that is named by the sentence."""
    ((text, role, title),) = run_script(FAILED, {"loader": LOADER, "width": width})
    assert (text, role) == ("⚠", "img") if narrow else (SAYS in text, role) == (True, None)
    assert (SAYS in title) is narrow
