"""The panel in which a model explains records, one record, or a range of the charts.

The question runs in the agent and the panel follows it, so the page stays usable. The id of the question is in the address
(`opinion`), so that a link shows the answer as long as the agent keeps it.
"""

from dataclasses import dataclass
from typing import Final

import streamlit as st

from monitor.api_models import ai as ai_models
from monitor.client.client import Refused
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, error_state, guarded, plain
from pages.shared.engine_names import name_of
from pages.shared.visitor import may_change, operators_only
from pages.ui import components

FOLLOW_S: Final = 1.0
SPANS: Final = {"15m": "last 15 minutes", "1h": "last hour", "24h": "last day"}
NOT_FOUND: Final = 404
_REFUSED: Final = "opinion_refused"


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that a model can explain.

    Attributes:
        name: in the address.
        button: label of the button.
        about: what the model receives, in one sentence.
        wanted: the request, without the question of the user.
    """

    name: str
    button: str
    about: str
    wanted: ai_models.ExplainRequest


def is_explaining() -> bool:
    """Whether the panel is open, which is when the address has `explain` or `opinion`."""
    return "explain" in st.query_params or "opinion" in st.query_params


def explain_button() -> None:
    """The button that opens and closes the panel."""
    st.button(
        "Explain",
        key="explain_open",
        icon=":material/psychology:",
        on_click=_turn,
        help="Ask a local model what happened.",
    )


def explain_panel(*subjects: Subject, here: str) -> None:
    """The panel: subjects, question, progress, answer.

    Args:
        subjects: each gets a button.
        here: the page, as in its address.
    """
    with st.container(border=True, key="explain_panel"):
        running = _running()
        with st.container(horizontal=True, vertical_alignment="bottom", key="explain_ask"):
            st.text_input(
                "Your question",
                key="explain_question",
                placeholder="Ask a question (optional), such as: What happened here?",
                label_visibility="collapsed",
                width=560,
                max_chars=400,
            )
            for place, subject in enumerate(subjects):
                st.button(
                    subject.button,
                    key=f"explain_{subject.name}",
                    type="primary" if place == 0 else "secondary",
                    icon=":material/psychology:",
                    on_click=_ask,
                    args=(subject,),
                    disabled=running or not may_change(),
                    help=None if may_change() else "Only operators can ask a model.",
                )
        refused = st.session_state.get(_REFUSED)
        if isinstance(refused, AgentError):
            error_state("The question could not be sent.", refused)
        if "opinion" not in st.query_params:
            st.caption(" ".join(subject.about for subject in subjects))
            _without_engine()
        elif running:
            _follow(here)
        else:
            _answer(here)


def explain_errors() -> None:
    """The panel of the AI page, for warnings and errors of a time span."""
    since = st.selectbox(
        "Warnings and errors of the", list(SPANS), format_func=SPANS.__getitem__, key="explain_since", width=220
    )
    explain_panel(
        Subject(
            "errors",
            "Explain",
            "Secrets are masked. Records stay on this machine unless the settings allow engines on other machines.",
            ai_models.ExplainRequest(since=since),
        ),
        here="ai",
    )


def _turn() -> None:
    if is_explaining():
        st.query_params.pop("explain", None)
        st.query_params.pop("opinion", None)
    else:
        st.query_params["explain"] = "1"


def _ask(subject: Subject) -> None:
    """Send the question."""
    st.session_state.pop(_REFUSED, None)
    if not may_change():
        st.session_state[_REFUSED] = operators_only("ask a model")
        return
    wanted = subject.wanted.model_copy(update={"question": st.session_state.get("explain_question", "").strip()})
    try:
        st.query_params["opinion"] = agent_client().ai.ask_opinion(wanted)
    except AgentError as error:
        st.session_state[_REFUSED] = error


def _cancel(question: str) -> None:
    if not may_change():
        return
    try:
        agent_client().ai.cancel_opinion(question)
    except AgentError as error:
        st.session_state[_REFUSED] = error


def _running() -> bool:
    """Whether the question in the address is still running; an error is shown by the panel itself."""
    asked = st.query_params.get("opinion", "")
    if not asked:
        return False
    try:
        return agent_client().ai.opinion(asked).state == "running"
    except AgentError:
        return False


@st.fragment(run_every=FOLLOW_S)
def _follow(here: str) -> None:
    """Progress until the end; then the page runs again with the answer."""
    with guarded("the opinion"):
        now = agent_client().ai.opinion(st.query_params.get("opinion", ""))
        if now.state != "running":
            st.rerun()
        with st.container(horizontal=True, vertical_alignment="center", key="explain_progress"):
            st.progress(min(1.0, now.elapsed_s / now.limit_s), text=_progress(now))
            st.button(
                "Cancel",
                key="explain_cancel",
                icon=":material/stop_circle:",
                on_click=_cancel,
                args=(now.id,),
                disabled=not may_change(),
            )
        if now.measured:
            components.opinion(None, now.measured, here=here)


def _progress(now: ai_models.OpinionState) -> str:
    spent = f"{now.elapsed_s:.0f} s of at most {now.limit_s:.0f} s"
    if now.phase == "reading" or now.records is None:
        return f"Loading records · {spent}"
    return f"The model reads {_given(now)} · {spent}"


def _given(now: ai_models.OpinionState) -> str:
    if now.records is None or now.matched is None:
        return "nothing"
    some = f"the newest {now.records:,} of {now.matched:,}" if now.matched > now.records else f"{now.records:,}"
    return f"{some} record{'' if now.matched == 1 else 's'}"


def _answer(here: str) -> None:
    """The answer, or why there is none."""
    with guarded("the opinion"):
        try:
            found = agent_client().ai.opinion(st.query_params["opinion"])
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            st.info("This answer has expired. Ask again.", icon=":material/info:")
            return
        if found.error is not None:
            error_state("No answer.", AgentError(found.error.message, hint=found.error.hint))
            _without_engine()
        elif found.state == "cancelled":
            st.info(f"Cancelled after {found.elapsed_s:.0f} s.", icon=":material/info:")
        if found.opinion is not None or found.measured:
            components.opinion(found.opinion, found.measured, here=here)


def _without_engine() -> None:
    """Say which engine would answer, or what to do when none can."""
    try:
        found = agent_client().ai.policy()
    except AgentError as error:
        error_state("The engines could not be checked.", error)
        return
    allowed = [engine for engine in found.scores if found.explain_remote or not engine.remote]
    if allowed:
        # Something is drawn after the slow request in any case: an overtaken run stops here, before Streamlit drops the fragments of the newer run.
        st.caption(f"{plain(name_of(allowed[0].backend))} ({plain(allowed[0].model)}) will answer.")
        return
    remote = sorted({name_of(engine.backend) for engine in found.scores if engine.remote})
    why = (
        f"{plain(', '.join(remote))} runs on another machine, and records are not sent there. Allow it in [Settings](/settings) with *ai.explain_remote*, or"
        if remote
        else "No engine is ready. See [AI back ends](/ai) for what to do, or"
    )
    st.warning(
        f"**No model available.** {why} add a GGUF file in [Settings](/settings) with *ai.model_paths*.",
        icon=":material/psychology_alt:",
    )
