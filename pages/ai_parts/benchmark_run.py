"""Starts, follows and cancels a benchmark."""

from collections.abc import Callable
from typing import Final

import streamlit as st

from monitor.api_models import ai as ai_models
from monitor.core.errors import AgentError
from pages.ai_parts.benchmark_live import ratio_picture
from pages.shared.agent import agent_client, error_state, guarded, plain
from pages.shared.visitor import may_change, operators_only

FOLLOW_S: Final = 1.5
"""Long enough that following a benchmark does not disturb the measurement."""
DEPTHS: Final = {
    "standard": "Standard: speed, batches, some quality",
    "quick": "Quick: speed only",
    "full": "Full: all labelled postings",
}
KINDS: Final = {
    "auto": "Automatic: engines, or two settings when there is only one",
    "engines": "Compare engines",
    "settings": "Two settings of one engine",
    "self-check": "Self-check: an engine against itself",
}
STEPS: Final = {
    "load": "Load",
    "warm-up": "Warm up",
    "pairs": "Measure pairs",
    "batches": "Batches",
    "quality": "Quality",
}
_SIGNS: Final = {
    "done": ":green[:material/check_circle:]",
    "now": ":blue[:material/play_circle:]",
    "to come": ":gray[:material/circle:]",
}


def options() -> ai_models.BenchmarkRequest:
    """The options of a benchmark, in a popover. The defaults are enough to start one."""
    with st.popover("Options", icon=":material/tune:"):
        depth = st.radio("Depth", list(DEPTHS), key="depth", format_func=DEPTHS.__getitem__, bind="query-params")
        kind = st.radio("Comparison", list(KINDS), key="kind", format_func=KINDS.__getitem__, bind="query-params")
        measures = {
            "generation": "Tokens per second",
            "first_token": "Time to first token",
            "total": "Time to answer",
        }
        measure = st.radio("Measure", list(measures), key="measure", format_func=measures.__getitem__)
    return ai_models.BenchmarkRequest.model_validate({"depth": depth, "kind": kind, "measure": measure})


def begin(wanted: ai_models.BenchmarkRequest) -> None:
    """Start a benchmark."""
    _start(lambda: agent_client().ai.start_benchmark(wanted))


def repeat(benchmark: str) -> None:
    """Start the same benchmark again."""
    _start(lambda: agent_client().ai.replay(benchmark))


def _start(ask: Callable[[], object]) -> None:
    st.session_state.pop("benchmark_refused", None)
    if not may_change():
        st.session_state.benchmark_refused = operators_only("start a benchmark")
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
    """Show why the last click had no effect."""
    error = st.session_state.get("benchmark_refused")
    if isinstance(error, AgentError):
        error_state("The benchmark could not be started.", error)


@st.fragment(run_every=FOLLOW_S)
def follow() -> None:
    """Progress until the end; then the page runs again with the verdict."""
    with guarded("the benchmark"):
        now = agent_client().ai.benchmark()
        if now.state != "running":
            st.rerun()
        progress(now)


def progress(now: ai_models.Benchmark) -> None:
    """A running benchmark: steps, time left, figures so far, ratios of the pairs."""
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
        st.progress(_share(now), text=plain(f"{now.message}{_left(now)}"))
        st.markdown("&emsp;".join(f"{_SIGNS.get(s.state, '')} {STEPS.get(s.step, s.step)}" for s in now.steps))
        if now.verdict:
            with st.container(border=True, key="speed_verdict"):
                st.markdown(f":material/speed: **Verdict on speed.** {plain(now.verdict)}")
        if now.note:
            st.caption(plain(now.note))
        _figures(now)
        if any(now.ratios.values()):
            st.html(ratio_picture(now))
        else:
            st.caption("The ratio of each pair appears here once both engines have answered the same prompt twice.")


def _figures(now: ai_models.Benchmark) -> None:
    known = [f for f in now.figures if f.tokens_per_s is not None or f.first_token_s is not None]
    if not known:
        st.caption("The first result appears when a model is loaded and has answered once.")
        return
    for column, figure in zip(st.columns(max(len(known), 2)), known, strict=False):
        with column:
            rate = f"{figure.tokens_per_s:,.1f} tokens/s" if figure.tokens_per_s is not None else "-"
            first = f"first token {figure.first_token_s * 1e3:,.0f} ms" if figure.first_token_s is not None else ""
            st.metric(plain(figure.backend), rate)
            st.caption(f"{first} · {figure.n} so far")
    if now.flagged:
        st.caption(f"{now.flagged} of {now.measurements} measurements were disturbed and are excluded.")


def _share(now: ai_models.Benchmark) -> float:
    if now.elapsed_s is None or now.left_s is None:
        return 0.0
    whole = now.elapsed_s + now.left_s
    return min(max(now.elapsed_s / whole, 0.0), 1.0) if whole > 0 else 0.0


def _left(now: ai_models.Benchmark) -> str:
    """The time until what one waits for: the verdict on speed first, then the rest. Nothing before anything was measured."""
    if now.verdict_left_s is not None:
        return f", verdict on speed in about {_time(now.verdict_left_s)} at the latest"
    if now.left_s is not None:
        return f", about {_time(now.left_s)} left"
    return ""


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
