"""The engine that answers and why, and the latest calls."""

from textwrap import shorten
from typing import Final

import streamlit as st

from monitor.api_models import ai as ai_models
from pages.shared.agent import agent_client, guarded, plain
from pages.shared.engine_names import named
from pages.ui.numbers import NONE, clock

CALLS_S = 5.0
OUTCOMES: Final = {
    "BackendDown": "no answer", "BackendTimeout": "too late", "BackendOverloaded": "too busy", "BackendLoading": "loading",
    "BackendOutOfMemory": "out of memory", "ContextOverflow": "prompt too long", "ModelMissing": "no such model", "BadRequest": "refused",
    "Filtered": "withheld", "BadOutput": "no use", "StreamCut": "cut off", "Cancelled": "cancelled",
}  # fmt: skip
"""How a call ended that was not answered."""


def policy() -> None:
    """The chosen engine, the reason, and the score of each engine."""
    found = named(agent_client().ai.policy())
    st.markdown(plain(found.sentence))
    for sentence in found.drift:
        st.warning(plain(sentence), icon=":material/trending_down:")
    if found.scores:
        rows = ["| Back end | Quality | Speed | Answer p95 | Circuit breaker |", "|:--|--:|--:|--:|:--|"]
        rows += [_score(s) for s in found.scores]
        st.markdown("\n".join(rows))
    for name, why in found.excluded.items():
        st.caption(f"{plain(name)} is excluded: {plain(why)}.")
    target = f"{found.latency_target_s:g} s" if found.latency_target_s else "none"
    remote = "are allowed" if found.allow_remote else "are not used"
    st.caption(
        f"Minimum quality {found.quality_floor:.2f} · latency target {target} · engines on other machines {remote}. "
        "Change this in *Settings*, group *AI*."
    )


def _score(s: ai_models.BackendScore) -> str:
    quality = f"{s.quality:.2f}" if s.quality is not None else ":gray[not measured]"
    speed = (
        f"{s.speed.estimate:,.0f} tokens/s :gray[{s.speed.low:,.0f} to {s.speed.high:,.0f}]"
        if s.speed
        else f":gray[{'no verdict' if s.measured else 'not measured'}]"
    )
    latency = f"{s.latency_s:.1f} s" if s.latency_s is not None else ":gray[-]"
    circuit = "closed" if s.breaker == "closed" else f":orange[{plain(s.breaker)}] {plain(s.reason)}"
    return f"| {plain(s.backend)} | {quality} | {speed} | {latency} | {circuit} |"


@st.fragment(run_every=CALLS_S)
def live_calls() -> None:
    """The latest calls and figures of the last hour."""
    with guarded("the live calls"):
        found = named(agent_client().ai.calls(limit=12))
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header("Live calls", anchor=False, width="content")
            st.caption(
                f"Last hour: {found.answered} answered, {found.unanswered} unanswered, {found.by_fallback} by a fallback",
                width="content",
            )
        if not found.calls:
            st.caption("No calls yet. Analyse a posting below, or run `watchkeeper ai analyze FILE`.")
            return
        rows = ["| Time | Back end | Result | First token | Tokens/s | Duration |", "|:--|:--|:--|--:|--:|--:|"]
        for call in found.calls:
            why = plain(shorten(call.message, 120, placeholder=" …"))
            said = "answered" if call.outcome == "answered" else f":red[{OUTCOMES.get(call.outcome, 'failed')}] {why}"
            first = f"{call.ttft_s * 1e3:,.0f} ms" if call.ttft_s is not None else NONE
            rate = f"{call.tokens_per_s:,.1f}" if call.tokens_per_s is not None else NONE
            took = f"{call.total_s:.1f} s"
            rows.append(f"| {clock(call.ts)} | {plain(call.backend)} | {said} | {first} | {rate} | {took} |")
        st.markdown("\n".join(rows))
