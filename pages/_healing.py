"""What brings a page back by itself when the agent returns: the native parts are drawn anew, without a reload."""

from typing import Final

import streamlit as st

from pages._assets import asset_url

NAME: Final = "watchkeeper_healing"
JS: Final = """// Asks for a rerun when the agent is back; shares the tab's one live socket with the other components.
const started = new WeakSet()
export default function ({ parentElement, setTriggerValue }) {
  if (started.has(parentElement)) return
  started.add(parentElement)
  let off = () => {}
  let gone = false
  import(new URL("LIVE", location.origin).href).then(({ live }) => {
    if (gone) return
    const hub = live()
    let away = hub.agent.state === "away"
    off = hub.on("state", () => {
      const now = hub.agent.state === "away"
      if (away && !now) setTriggerValue("back", Date.now())
      away = now
    })
  })
  return () => {
    gone = true
    started.delete(parentElement)
    off()
  }
}
"""


def heal_when_back() -> None:
    """Mount the watcher; it shows nothing."""
    component = st.components.v2.component(
        NAME, html="<span hidden></span>\n", js=JS.replace("LIVE", asset_url("live.js"))
    )
    component(key="wk-healing", height=1, on_back_change=lambda: None)
