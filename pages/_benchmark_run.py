"""Beginning, following and cancelling a benchmark."""

from collections.abc import Callable
from typing import Final

import streamlit as st

from monitor import ai_models
from monitor.errors import AgentError
from pages._agent import agent_client, error_state, guarded, plain
from pages._benchmark_live import ratio_picture
from pages._visitor import may_change

FOLLOW_S: Final = 1.5
"""Seldom enough that following a benchmark does not disturb what is measured."""
DEPTHS: Final = {
    "standard": "Standard: speed, batches, a few postings",
    "quick": "Quick: speed only",
    "full": "Full: every labelled posting",
}
KINDS: Final = {
    "auto": "Whatever fits: engines, or settings of the only one",
    "engines": "Engines against each other",
    "settings": "Two settings of one engine",
    "self-check": "An engine against itself",
}
STEPS: Final = {
    "load": "Load",
    "warm-up": "Warm up",
    "pairs": "Measure in pairs",
    "batches": "Several at once",
    "quality": "Quality",
}
_SIGNS: Final = {
    "done": ":green[:material/check_circle:]",
    "now": ":blue[:material/play_circle:]",
    "to come": ":gray[:material/circle:]",
}


def options() -> ai_models.BenchmarkRequest:
    """What is to be measured, chosen in a folded panel; the button needs none of it."""
    with st.popover("Plan", icon=":material/tune:"):
        depth = st.radio("How much", list(DEPTHS), key="depth", format_func=DEPTHS.__getitem__, bind="query-params")
        kind = st.radio("What", list(KINDS), key="kind", format_func=KINDS.__getitem__, bind="query-params")
        measures = {
            "generation": "tokens a second",
            "first_token": "time to the first token",
            "total": "time to an answer",
        }
        measure = st.radio("The verdict is about", list(measures), key="measure", format_func=measures.__getitem__)
    return ai_models.BenchmarkRequest.model_validate({"depth": depth, "kind": kind, "measure": measure})


def begin(wanted: ai_models.BenchmarkRequest) -> None:
    """Start, if the visitor may."""
    _start(lambda: agent_client().ai.start_benchmark(wanted))


def repeat(benchmark: str) -> None:
    """Start the same again, if the visitor may."""
    _start(lambda: agent_client().ai.replay(benchmark))


def _start(ask: Callable[[], object]) -> None:
    st.session_state.pop("benchmark_refused", None)
    if not may_change():
        st.session_state.benchmark_refused = AgentError(
            "only operators may start a benchmark", hint="sign in as an operator"
        )
        return
    try:
        ask()
    except AgentError as error:
        st.session_state.benchmark_refused = error
    else:
        st.query_params.pop("benchmark", None)


def _cancel() -> None:
    if not may_change():
        return
    try:
        agent_client().ai.cancel_benchmark()
    except AgentError as error:
        st.session_state.benchmark_refused = error


def refusal() -> None:
    """Why the last click did nothing."""
    error = st.session_state.get("benchmark_refused")
    if isinstance(error, AgentError):
        error_state("The benchmark was not started.", error)


@st.fragment(run_every=FOLLOW_S)
def follow() -> None:
    """Progress, until the end; then the page is drawn anew with the verdict."""
    with guarded("the benchmark"):
        now = agent_client().ai.benchmark()
        if now.state != "running":
            st.rerun()
        progress(now)


def progress(now: ai_models.Benchmark) -> None:
    """One picture of a running benchmark: steps, time left, figures so far, the pairs."""
    with st.container(border=True, key="benchmark_running"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header("Benchmark running", anchor=False, width="content")
            st.button(
                "Cancelling…" if now.cancelling else "Cancel",
                key="benchmark_cancel",
                icon=":material/stop_circle:",
                on_click=_cancel,
                disabled=now.cancelling or not may_change(),
            )
        share = _share(now)
        left = f", about {_time(now.left_s)} left" if now.left_s is not None else ""
        st.progress(share, text=plain(f"{now.message}{left}"))
        st.markdown("&emsp;".join(f"{_SIGNS.get(s.state, '')} {STEPS.get(s.step, s.step)}" for s in now.steps))
        if now.note:
            st.caption(plain(now.note))
        _figures(now)
        if any(now.ratios.values()):
            st.html(ratio_picture(now))
        else:
            st.caption("The ratio of each pair appears here when both engines have answered the same prompt twice.")


def _figures(now: ai_models.Benchmark) -> None:
    known = [f for f in now.figures if f.tokens_per_s is not None or f.first_token_s is not None]
    if not known:
        st.caption("The first figure comes when a model is loaded and has answered once.")
        return
    for column, figure in zip(st.columns(max(len(known), 2)), known, strict=False):
        with column:
            rate = f"{figure.tokens_per_s:,.1f} tokens/s" if figure.tokens_per_s is not None else "-"
            first = f"first token {figure.first_token_s * 1e3:,.0f} ms" if figure.first_token_s is not None else ""
            st.metric(plain(figure.backend), rate)
            st.caption(f"{first} · {figure.n} so far")
    if now.flagged:
        st.caption(f"{now.flagged} of {now.measurements} measurements were disturbed and do not count.")


def _share(now: ai_models.Benchmark) -> float:
    if now.elapsed_s is None or now.left_s is None:
        return 0.0
    whole = now.elapsed_s + now.left_s
    return min(max(now.elapsed_s / whole, 0.0), 1.0) if whole > 0 else 0.0


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
