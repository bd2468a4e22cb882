"""Offers settings that a benchmark showed to be faster; one click adopts them, another one goes back."""

import time
from collections.abc import Callable

import streamlit as st

from monitor.api_models import ai as ai_models
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, error_state, plain
from pages.shared.engine_names import name_of
from pages.shared.visitor import may_change, operators_only, visitor_name

_REFUSED = "offer_refused"
_SAID = "tune_said"
_SHOWN_S = 600.0
"""How long what a search found stays in sight."""
_BACK = "Use the default settings"
_TUNE = "Finds the fastest threads, cache and batch for this model here, in about 15 seconds, and uses them."


def offer(report: ai_models.FullReport) -> None:
    """The faster settings, whether they are in use, and the button. Nothing when no settings were faster."""
    _refusal("offer")
    found = report.offer
    if found is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="offer"):
        if found.taken:
            st.markdown(
                f":material/check: {plain(name_of(found.backend))} uses the fastest settings of this benchmark ({plain(found.settings)})."
            )
            _button(_BACK, _reset, found.backend, "offer")
        else:
            st.markdown(
                f":material/tune: Fastest settings here: {plain(found.settings)}. You can use them for analyses and explanations."
            )
            _button("Use these settings", _use, report.id, "offer")


def in_use(used: ai_models.InUse, *, key: str) -> None:
    """How the model of an engine is loaded and why, with a search for faster settings, and the way back from other than its own."""
    _refusal(key)
    said, at = st.session_state.get(f"{key}_{_SAID}", ("", 0.0))
    if said and time.monotonic() - at < _SHOWN_S:  # the engines are drawn anew every few seconds
        st.success(plain(said), icon=":material/tune:")
    if used.settings:
        st.markdown(f":material/tune: {plain(used.sentence)}")
    else:
        st.caption(plain(used.sentence))
    with st.container(horizontal=True):
        wanted = used.backend.startswith("llamacpp") and st.button(
            "Tune", key=f"{key}_tune", icon=":material/tune:", disabled=not may_change(),
            help=_TUNE if may_change() else "Only operators can change how a model is loaded.",
        )  # fmt: skip
        if used.settings:
            _button(_BACK, _reset, used.backend, key)
    if wanted:
        with st.spinner("Trying threads, cache and batch sizes…"):
            _tune(used.backend, key)
        st.rerun()


def _button(label: str, action: Callable[[str, str], None], given: str, where: str) -> None:
    st.button(
        label, key=f"{where}_take", on_click=action, args=(given, where), disabled=not may_change(),
        help=None if may_change() else "Only operators can change how a model is loaded.",
    )  # fmt: skip


def _refusal(where: str) -> None:
    """Show why the last click here failed."""
    if (refused := st.session_state.pop(f"{where}_{_REFUSED}", None)) is not None:
        error_state("The settings could not be changed.", refused)


def _use(given: str, where: str) -> None:
    try:
        agent_client().ai.use(given)
    except AgentError as error:
        st.session_state[f"{where}_{_REFUSED}"] = error


def _tune(given: str, where: str) -> None:
    try:
        if not may_change():
            raise operators_only("tune an engine")
        said = agent_client().ai.tune(given, by=visitor_name()).sentence
        st.session_state[f"{where}_{_SAID}"] = said, time.monotonic()
    except AgentError as error:
        st.session_state[f"{where}_{_REFUSED}"] = error


def _reset(given: str, where: str) -> None:
    st.session_state.pop(f"{where}_{_SAID}", None)
    try:
        agent_client().ai.reset(given)
    except AgentError as error:
        st.session_state[f"{where}_{_REFUSED}"] = error
