"""A model's opinion on records, one record, or a spike: one panel for every page that offers it.

The question runs in the agent; the panel follows it, so the page stays usable. Its id stands in the address (`opinion`): a link
brings the answer back as long as the agent keeps it.
"""

from dataclasses import dataclass
from typing import Final

import streamlit as st

from monitor import ai_models
from monitor.client import Refused
from monitor.errors import AgentError
from pages._agent import agent_client, error_state, guarded, plain
from pages._visitor import may_change
from pages.ui import components

FOLLOW_S: Final = 1.0
SPANS: Final = {"15m": "last 15 minutes", "1h": "last hour", "24h": "last day"}
NOT_FOUND: Final = 404
_REFUSED: Final = "opinion_refused"


@dataclass(frozen=True, slots=True)
class Subject:
    """What may be explained.

    Attributes:
        name: in the address.
        button: what the button says.
        about: one sentence of our own: what is given to the model.
        wanted: the question to the agent, without a person's own words.
    """

    name: str
    button: str
    about: str
    wanted: ai_models.ExplainRequest


def is_explaining() -> bool:
    """Whether the panel is open; the address says so (`explain`, or an opinion that a link leads to)."""
    return "explain" in st.query_params or "opinion" in st.query_params


def explain_button() -> None:
    """The button that opens and closes the panel."""
    st.button(
        "Explain",
        key="explain_open",
        icon=":material/psychology:",
        on_click=_turn,
        help="Ask a local model what happened here",
    )


def explain_panel(*subjects: Subject, here: str) -> None:
    """The panel: what is explained, a question, progress, the opinion.

    Args:
        subjects: one button each.
        here: the page, as in its address.
    """
    with st.container(border=True, key="explain_panel"):
        running = _running()
        with st.container(horizontal=True, vertical_alignment="bottom", key="explain_ask"):
            st.text_input(
                "Your question",
                key="explain_question",
                placeholder="What happened here? (a question of your own, if you like)",
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
                    help=None if may_change() else "Only operators may ask a model.",
                )
        refused = st.session_state.get(_REFUSED)
        if isinstance(refused, AgentError):
            error_state("The question was not asked.", refused)
        if "opinion" not in st.query_params:
            st.caption(" ".join(subject.about for subject in subjects))
            _without_engine()
        elif running:
            _follow(here)
        else:
            _answer(here)


def explain_errors() -> None:
    """The panel of the engines' page: the warnings and errors of a span."""
    since = st.selectbox(
        "Warnings and errors of the", list(SPANS), format_func=SPANS.__getitem__, key="explain_since", width=220
    )
    explain_panel(
        Subject(
            "errors",
            "Explain",
            "Secrets are masked first; the records stay on this machine unless the settings allow engines on another one.",
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
    """Begin, if the visitor may."""
    st.session_state.pop(_REFUSED, None)
    if not may_change():
        st.session_state[_REFUSED] = AgentError("only operators may ask a model", hint="sign in as an operator")
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
    """Whether the question in the address is under way; an agent that cannot tell is told of further down."""
    asked = st.query_params.get("opinion", "")
    if not asked:
        return False
    try:
        return agent_client().ai.opinion(asked).state == "running"
    except AgentError:
        return False


@st.fragment(run_every=FOLLOW_S)
def _follow(here: str) -> None:
    """Progress until the end; then the page is drawn anew with the answer."""
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
        return f"Reading the store · {spent}"
    return f"A model reads {_given(now)} · {spent}"


def _given(now: ai_models.OpinionState) -> str:
    if now.records is None or now.matched is None:
        return "nothing"
    some = f"the newest {now.records:,} of {now.matched:,}" if now.matched > now.records else f"{now.records:,}"
    return f"{some} record{'' if now.matched == 1 else 's'}"


def _answer(here: str) -> None:
    """What became of the question."""
    with guarded("the opinion"):
        try:
            found = agent_client().ai.opinion(st.query_params["opinion"])
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            st.info("This opinion is not kept any more. Ask again.", icon=":material/info:")
            return
        if found.error is not None:
            error_state("There is no opinion.", AgentError(found.error.message, hint=found.error.hint))
            _without_engine()
        elif found.state == "cancelled":
            st.info(f"Cancelled after {found.elapsed_s:.0f} s. Nothing was kept of the answer.", icon=":material/info:")
        if found.opinion is not None or found.measured:
            components.opinion(found.opinion, found.measured, here=here)


def _without_engine() -> None:
    """Say so when no engine may be asked, and where the remedy stands."""
    try:
        found = agent_client().ai.policy()
    except AgentError as error:
        error_state("It is not known whether an engine can answer.", error)
        return
    allowed = [engine for engine in found.standings if found.explain_remote or not engine.remote]
    if allowed:
        # Something is drawn after the slow question in any case: a run that was overtaken ends here, before Streamlit would drop the newer run's fragments.
        st.caption(f"{plain(allowed[0].backend)} ({plain(allowed[0].model)}) would be asked.")
        return
    remote = sorted({engine.backend for engine in found.standings if engine.remote})
    why = (
        f"{plain(', '.join(remote))} runs on another machine, and records are not sent there. Allow it under [Settings](/settings), *ai.explain_remote*, or"
        if remote
        else "No engine that could answer is ready. [AI back ends](/ai) says of each what to do; or"
    )
    st.warning(
        f"**No model can be asked here.** {why} give a GGUF file under [Settings](/settings), *ai.model_paths*.",
        icon=":material/psychology_alt:",
    )
