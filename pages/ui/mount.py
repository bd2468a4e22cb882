"""How a component of ours comes into a page.

All of them are one registered Streamlit component: a loader of a few lines that imports the module the page names from our
own route, where a browser keeps it. So no script travels with a rerun, and a rerun only hands over new `data`. What ticks
reaches the component through its own socket, without Streamlit.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import streamlit as st

from pages._assets import asset_url

NAME: Final = "watchkeeper"
HTML: Final = """<div class="wk waiting"></div>
"""
CSS: Final = """.wk { display: block; color: var(--st-text-color); font-family: var(--st-font); }
.wk.waiting { background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color); border-radius: 10px; opacity: .6; }
"""
LOADER: Final = """export default async function (component) {
  const { data, parentElement } = component
  const host = parentElement.querySelector(".wk")
  host.style.minHeight = data.reserve
  try {
    const module = await import(new URL(data.module, document.baseURI).href)
    return await module.default(component)
  } catch (error) {
    host.textContent = "This part could not be loaded (" + error.message + "). Reload the page; if that does not help, is `watchkeeper` still running?"
  }
}
"""


def mount(
    module: str, data: Mapping[str, Any], *, key: str, height: int, width: int | Literal["stretch"] = "stretch"
) -> None:
    """Put a component at this place of the page.

    Args:
        module: name of its script in `assets/`, without `.js`.
        data: what it is told; JSON.
        key: names this place; the component keeps its node, and all a person did to it, while the key stays.
        height: pixels kept free from the first moment, so that nothing jumps when it appears.
        width: `stretch`, or pixels.
    """
    component = st.components.v2.component(NAME, html=HTML, css=CSS, js=LOADER)
    component(key=key, width=width, data={"module": asset_url(f"{module}.js"), "reserve": f"{height}px", **data})
