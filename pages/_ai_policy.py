"""Which engine answers, why, and what the last calls were like."""

import streamlit as st

from monitor import ai_models
from pages._agent import agent_client, guarded, plain
from pages._words import clock

CALLS_S = 5.0


def policy() -> None:
    """What would be chosen, why, and each engine's standing."""
    found = agent_client().ai.policy()
    st.markdown(plain(found.sentence))
    for sentence in found.drift:
        st.warning(plain(sentence), icon=":material/trending_down:")
    if found.standings:
        rows = ["| back end | quality | speed | answer p95 | circuit |", "|:--|--:|--:|--:|:--|"]
        rows += [_standing(s) for s in found.standings]
        st.markdown("\n".join(rows))
    for name, why in found.excluded.items():
        st.caption(f"{plain(name)} is not used: {plain(why)}.")
    target = f"{found.latency_target_s:g} s" if found.latency_target_s else "none"
    remote = "may be asked" if found.allow_remote else "are not asked"
    st.caption(
        f"Quality floor {found.quality_floor:.2f} · latency target {target} · engines on other machines {remote}. "
        "Change it under *Settings*, group *AI*."
    )


def _standing(s: ai_models.Standing) -> str:
    quality = f"{s.quality:.2f}" if s.quality is not None else ":gray[not measured]"
    speed = (
        f"{s.speed.estimate:,.0f} tokens/s :gray[{s.speed.low:,.0f} to {s.speed.high:,.0f}]"
        if s.speed
        else ":gray[not measured]"
    )
    latency = f"{s.latency_s:.1f} s" if s.latency_s is not None else ":gray[-]"
    circuit = "closed" if s.breaker == "closed" else f":orange[{plain(s.breaker)}] {plain(s.reason)}"
    return f"| {plain(s.backend)} | {quality} | {speed} | {latency} | {circuit} |"


@st.fragment(run_every=CALLS_S)
def live_calls() -> None:
    """The newest calls and the last hour's figures."""
    with guarded("the live calls"):
        found = agent_client().ai.calls(limit=12)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header("Live calls", anchor=False, width="content")
            st.caption(
                f"last hour · {found.answered} answered, {found.unanswered} by no engine, {found.by_fallback} by fallback",
                width="content",
            )
        if not found.calls:
            st.caption("Nothing was asked yet. Analyse a posting below, or run `watchkeeper ai analyze FILE`.")
            return
        rows = ["| time | back end | what became of it | first token | tokens/s | took |", "|:--|:--|:--|--:|--:|--:|"]
        for call in found.calls:
            said = (
                "answered"
                if call.outcome == "answered"
                else f":red[{plain(call.outcome)}] {plain((call.message or '')[:80])}"
            )
            first = f"{call.ttft_s * 1e3:,.0f} ms" if call.ttft_s is not None else "-"
            rate = f"{call.tokens_per_s:,.1f}" if call.tokens_per_s is not None else "-"
            took = f"{call.total_s:.1f} s" if call.total_s is not None else "-"
            rows.append(f"| {clock(call.ts)} | {plain(call.backend)} | {said} | {first} | {rate} | {took} |")
        st.markdown("\n".join(rows))
