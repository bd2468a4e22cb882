"""Settings that a benchmark showed to be faster: one click takes them over, one gives them back."""

from collections.abc import Callable

import streamlit as st

from monitor import ai_models
from monitor.errors import AgentError
from pages._agent import agent_client, error_state, plain
from pages._visitor import may_change

_REFUSED = "offer_refused"
_BACK = "Use its own settings again"


def offer(report: ai_models.BenchmarkReport) -> None:
    """What won, whether it is in use, and the button; nothing when no other settings were shown to be faster."""
    _refusal("offer")
    found = report.offer
    if found is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="offer"):
        if found.taken:
            st.markdown(
                f":material/check: {plain(found.backend)} is used with the settings that won here ({plain(found.settings)})."
            )
            _button(_BACK, _reset, found.backend, "offer")
        else:
            st.markdown(
                f":material/tune: {plain(found.settings)} won here. Analyses and opinions can use that from now on."
            )
            _button("Use these settings", _use, report.id, "offer")


def in_use(used: ai_models.InUse, *, key: str) -> None:
    """How an engine's model is loaded, and why; with the way back where a benchmark's winner is in use."""
    _refusal(key)
    if used.benchmark is None:
        st.caption(plain(used.sentence))
        return
    st.markdown(f":material/tune: {plain(used.sentence)}")
    _button(_BACK, _reset, used.backend, key)


def _button(label: str, action: Callable[[str, str], None], given: str, where: str) -> None:
    st.button(
        label, key=f"{where}_take", on_click=action, args=(given, where), disabled=not may_change(),
        help=None if may_change() else "Only operators may change how a model is loaded.",
    )  # fmt: skip


def _refusal(where: str) -> None:
    """Show what the agent said to the last click here."""
    if (refused := st.session_state.pop(f"{where}_{_REFUSED}", None)) is not None:
        error_state("The settings were not changed.", refused)


def _use(given: str, where: str) -> None:
    try:
        agent_client().ai.use(given)
    except AgentError as error:
        st.session_state[f"{where}_{_REFUSED}"] = error


def _reset(given: str, where: str) -> None:
    try:
        agent_client().ai.reset(given)
    except AgentError as error:
        st.session_state[f"{where}_{_REFUSED}"] = error
