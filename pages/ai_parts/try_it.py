"""The panel that analyses a job posting: the extracted fields, the evidence in the text, and the engine that answered."""

import time
from typing import Any, Final

import streamlit as st

from monitor.api_models import ai as ai_models
from monitor.client.client import Refused
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, error_state, guarded, plain
from pages.shared.engine_names import name_of, named
from pages.shared.visitor import may_change

FOLLOW_S: Final = 1.0
GONE: Final = 404
SAMPLE: Final = """Senior Backend Engineer (f/m/d)
Nordlicht Logistics GmbH, Hamburg or Bremen

We pay 72,000 to 88,000 EUR a year. Full time, permanent, two days a week from home.

You bring five years of experience with Python and PostgreSQL. Kafka is a plus.
You speak German and English. A degree in computer science is welcome, not required.
"""
LABELS: Final = {
    "title": "title",
    "company": "company",
    "locations": "locations",
    "remote_policy": "remote",
    "employment_type": "employment",
    "seniority": "seniority",
    "salary": "salary",
    "skills_required": "skills required",
    "skills_preferred": "skills preferred",
    "years_experience": "years of experience",
    "languages": "languages",
    "education": "education",
    "summary": "summary",
    "red_flags": "red flags",
}


def try_it() -> None:
    """The panel."""
    st.caption("Job postings are the sample task: an engine's answer can be checked against the text.")
    st.text_area("A job posting", key="posting", height=220, max_chars=400_000, placeholder="Paste a job posting.")
    with st.container(horizontal=True):
        asked = st.button("Analyse", key="analyse", icon=":material/neurology:", disabled=not may_change())
        st.button("Use a sample", key="use_sample", type="tertiary", on_click=_use_sample)
    if asked:
        _analyse(st.session_state.get("posting", ""))
    found = st.session_state.get("analysis")
    if isinstance(found, tuple):
        text, now = found
        if now.state == "asking":
            _follow()
        _result(text, now)


def _use_sample() -> None:
    st.session_state.posting = SAMPLE


def _analyse(text: str) -> None:
    st.session_state.pop("analysis", None)
    if not text.strip():
        st.info("Paste a posting first, or use the sample.", icon=":material/info:")
        return
    if not may_change():
        return
    try:
        st.session_state.analysis = (text, agent_client().ai.follow_analysis(text))
    except AgentError as error:
        error_state("The posting could not be analysed.", error)


@st.fragment(run_every=FOLLOW_S)
def _follow() -> None:
    """That an engine is being asked, until it has answered; then the page runs again with its answer."""
    text, now = st.session_state.analysis
    with guarded("the analysis"):
        try:
            now = agent_client().ai.analysis(now.id)
        except Refused as error:
            if error.status != GONE:
                raise
            now = now.model_copy(update={"state": "cancelled"})
        if now.state != "asking":
            st.session_state.analysis = (text, now)
            st.rerun()
        with st.container(horizontal=True, vertical_alignment="center", key="analysis_progress"):
            spent = max(0.0, time.time() - now.started / 1e6)
            st.markdown(
                f":material/hourglass_top: The rules answered at once. {plain(name_of(now.asked))} is being asked, {spent:.0f} s so far.",
                width="content",
            )
            st.button("Stop", key="analysis_stop", icon=":material/stop_circle:", on_click=_stop, args=(now.id,))


def _stop(analysis: str) -> None:
    if not may_change():
        return
    try:
        agent_client().ai.cancel_analysis(analysis)
    except AgentError as error:
        error_state("It could not be stopped.", error)


def _result(text: str, now: ai_models.FollowedAnalysis) -> None:
    found = now.best()
    values = found.model_dump()
    where = named(found.provenance)
    st.markdown(f"**Answered by {plain(name_of(found.backend))}** ({plain(where.how)}), {_seconds(found.timing)}")
    if now.state == "cancelled":
        st.caption(f"{plain(name_of(now.asked))} was not asked any further.")
    elif now.result is not None and found.backend == "rules":
        st.caption(f"{plain(name_of(now.asked))} was asked, and has no part in the answer. The details say why.")
    left, right = st.columns(2)
    with left:
        sources = where.fields
        rows = ["| Field | Value | Source |", "|:--|:--|:--|"]
        for key, label in LABELS.items():
            shown = _shown(key, values.get(key))
            rows.append(
                f"| {label} | {plain(shown) if shown else ':gray[not stated]'} | {plain(sources.get(key, ''))} |"
            )
        st.markdown("\n".join(rows))
    with right:
        st.caption("Evidence in the posting")
        st.markdown(_highlighted(text, found.evidence))
    with st.expander("Details"):
        st.json(
            found.model_dump(include={"timing", "provenance", "evidence"}),
            expanded=1,
        )


def _seconds(timing: ai_models.Timing) -> str:
    first = f", first token after {timing.first_token_s:.1f} s" if timing.first_token_s is not None else ""
    return f"{timing.total_s:.1f} s{first}"


def _shown(key: str, value: Any) -> str:
    if value is None or value == []:
        return ""
    if key == "salary" and isinstance(value, dict):
        low, high = value.get("minimum"), value.get("maximum")
        span = " to ".join(f"{bound:,.0f}" for bound in dict.fromkeys((low, high)) if bound is not None)
        per = f" a {value['period']}" if value.get("period") else ""
        return f"{span} {value.get('currency') or ''}{per}".strip()
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")


def _highlighted(text: str, evidence: list[ai_models.Evidence]) -> str:
    """The posting with its evidence marked. Spans are positions in the text that the engine read; where tags were removed from it, the quoted words are searched."""
    spans: list[tuple[int, int]] = []
    for item in evidence:
        if item.field == "summary" or not item.text.strip():
            continue
        at = item.start if text[item.start : item.end] == item.text else text.find(item.text)
        if at >= 0:
            spans.append((at, at + len(item.text)))
    out, place = [], 0
    for start, end in sorted(spans):
        if start < place:
            continue
        out.append(_lines(text[place:start]))
        marked = " ".join(text[start:end].split())
        out.append(f":blue-background[{plain(marked)}]" if marked else "")
        place = end
    out.append(_lines(text[place:]))
    return "".join(out)


def _lines(text: str) -> str:
    return "  \n".join(plain(line) for line in text[:20_000].split("\n"))
