"""AI back ends: which model engines are found here, what state each is in, and what to do about the rest."""

import streamlit as st

from monitor.models import Engine
from pages._agent import agent_client, empty_state, guarded, plain
from pages._engine_card import engine_card, summary
from pages._header import header
from pages._words import age, clock

REFRESH_S = 15.0


def _order(engine: Engine) -> tuple[int, str]:
    """What works stands first."""
    return {"ready": 0, "idle": 1, "error": 2, "down": 3, "missing": 4}.get(engine.state, 5), engine.label


def _gpu_sentence() -> None:
    """What is known of the GPUs, in one line."""
    gpu = agent_client().status().gpu
    if gpu.state == "ok":
        count = f"{gpu.count} NVIDIA GPU" + ("s" if gpu.count != 1 else "")
        st.caption(f":material/memory_alt: {count} here; readings are on the Performance page.")
    else:
        why = plain(gpu.message or "No GPU can be read here.")
        st.caption(f":material/memory_alt: {why} Engines that need one cannot run here; the others use the CPU.")


@st.fragment(run_every=REFRESH_S)
def _engines() -> None:
    """The engines, read again from time to time; the agent itself looks at them as often as the settings say."""
    with guarded("the engines"):
        found = agent_client().engines()
        now = agent_client().status().now
        if found.checked:
            st.markdown(summary(found.engines), help="An engine counts as ready when it answers and has a model.")
            st.caption(f"Checked at {clock(found.checked)}, {age((now - found.checked) / 1e6)} ago.")
        if not found.engines:
            empty_state(
                "No engine was looked for yet." if not found.checked else "No engine is known here.",
                "Watchkeeper asks Ollama, OpenAI-compatible servers, and installed packages.",
                "Give their addresses under *Settings*, group *Engines*, then check again.",
                icon=":material/neurology:",
            )
            return
        with st.grid(3, min_column_width=300):
            for place, engine in enumerate(sorted(found.engines, key=_order)):
                engine_card(engine, key=f"engine_{place}")


with header("AI back ends"):
    asked = st.button("Check again", key="check_again", icon=":material/refresh:")
with guarded("the engines"):
    if asked:
        with st.spinner("Asking every engine…"):
            agent_client().refresh_engines()
    _gpu_sentence()
    _engines()
