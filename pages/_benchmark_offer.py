"""Settings that a benchmark showed to be faster: one click takes them over, one gives them back."""

import streamlit as st

from monitor import ai_models
from monitor.errors import AgentError
from pages._agent import agent_client, error_state, plain
from pages._visitor import may_change

_REFUSED = "offer_refused"


def offer(report: ai_models.BenchmarkReport) -> None:
    """What won, whether it is in use, and the button; nothing when no other settings were shown to be faster."""
    if (refused := st.session_state.pop(_REFUSED, None)) is not None:
        error_state("The settings were not changed.", refused)
    found = report.offer
    if found is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="offer"):
        if found.taken:
            st.markdown(
                f":material/check: {plain(found.backend)} is used with the settings that won here ({plain(found.settings)})."
            )
            label, action, given = "Use its own settings again", _reset, found.backend
        else:
            st.markdown(
                f":material/tune: {plain(found.settings)} won here. Analyses and opinions can use that from now on."
            )
            label, action, given = "Use these settings", _use, report.id
        st.button(
            label, key="offer_take", on_click=action, args=(given,), disabled=not may_change(),
            help=None if may_change() else "Only operators may change how a model is loaded.",
        )  # fmt: skip


def _use(given: str) -> None:
    try:
        agent_client().ai.use(given)
    except AgentError as error:
        st.session_state[_REFUSED] = error


def _reset(given: str) -> None:
    try:
        agent_client().ai.reset(given)
    except AgentError as error:
        st.session_state[_REFUSED] = error
