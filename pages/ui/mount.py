"""Puts a live component into a page.

All live components are one registered Streamlit component: a loader of a few lines that imports the script the page names
from the asset route, where the browser caches it. A rerun sends only new `data`, never a script. Live readings reach the
component through the tab's own socket, without Streamlit.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import streamlit as st

from pages.server.assets import asset_url

NAME: Final = "watchkeeper"
HTML: Final = """<div class="wk waiting"></div>
"""
CSS: Final = """.wk { display: block; color: var(--st-text-color); font-family: var(--st-font); }
.wk.waiting { background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color); border-radius: 10px; opacity: .6; }
"""
LOADER: Final = """export default async function (component) {
  const { data, parentElement } = component
  const host = parentElement.querySelector(".wk")
  host.style.minHeight = data.reserve[Number(innerWidth <= 560)]
  try {
    const module = await import(new URL(data.module, document.baseURI).href)
    return await module.default(component)
  } catch (error) {
    const told = "This part could not be loaded (" + error.message + "). Reload the page, and check that Watchkeeper is running."
    const says = document.createElement("span")
    const narrow = host.clientWidth < 160  // the place of a button: a sign, which tells the sentence to who points at it or listens
    says.textContent = narrow ? "\u26a0" : told
    if (narrow) for (const [name, value] of Object.entries({ role: "img", title: told, "aria-label": told })) says.setAttribute(name, value)
    host.replaceChildren(says)
  }
}
"""


def mount(
    script: str,
    data: Mapping[str, Any],
    *,
    key: str,
    height: int,
    narrow_height: int | None = None,
    width: int | Literal["stretch"] = "stretch",
    triggers: Sequence[str] = (),
) -> None:
    """Put a component at this place of the page.

    Args:
        script: path of its script below `assets/`, without `.js`.
        data: JSON that the script gets.
        key: names this place. While the key stays, the component keeps its node and what a person did to it.
        height: pixels reserved from the first frame, so that nothing jumps when the component appears.
        narrow_height: the same on a phone; as elsewhere when None.
        width: `stretch`, or pixels.
        triggers: names of the events with which the script may ask for a rerun.
    """
    component = st.components.v2.component(NAME, html=HTML, css=CSS, js=LOADER)
    callbacks: dict[str, Any] = {f"on_{name}_change": _rerun for name in triggers}
    component(
        key=key,
        width=width,
        data={"module": asset_url(f"{script}.js"), "reserve": [f"{height}px", f"{narrow_height or height}px"], **data},
        **callbacks,
    )


def _rerun() -> None:
    """Streamlit needs a callback to accept an event; the rerun itself is all that is wanted."""
