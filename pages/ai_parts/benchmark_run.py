"""Starts, follows and cancels a benchmark."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import streamlit as st
from pydantic import ValidationError

from monitor.api_models import ai as ai_models
from monitor.client.prompts import parse_prompts
from monitor.core.errors import AgentError, ConfigError
from pages.ai_parts.benchmark_live import ratio_picture
from pages.shared.agent import agent_client, error_state, guarded, plain
from pages.shared.engine_names import named
from pages.shared.visitor import may_change, operators_only
from pages.ui.choice import choice, chosen_of
from pages.ui.numbers import NONE

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
PLANS: Final = {
    "speed": "Speed: pairs, with a verdict",
    "load": "Load: many requests at once and a second",
    "lengths": "Lengths: long prompts and answers",
}
MEASURES: Final = {"generation": "Tokens per second", "first_token": "Time to first token", "total": "Time to answer"}
STEPS: Final = {
    "load": "Load",
    "warm-up": "Warm up",
    "pairs": "Measure pairs",
    "lengths": "Lengths",
    "batches": "Batches",
    "rates": "Rates",
    "quality": "Quality",
}
_OF_ONE_PLAN: Final = ("kind", "measure")
"""In the address: what only the plan on speed asks for. Streamlit takes away what its own widgets wrote."""
_SIGNS: Final = {
    "done": ":green[:material/check_circle:]",
    "now": ":blue[:material/play_circle:]",
    "to come": ":gray[:material/circle:]",
}


def options() -> ai_models.BenchmarkRequest | None:
    """The options of a benchmark, in a popover. The defaults are enough to start one. None where what was entered cannot be used."""
    with st.popover("Options", icon=":material/tune:"):
        plan = _choose("Plan", "plan", PLANS, clears=_OF_ONE_PLAN)
        depth = _choose("Depth", "depth", DEPTHS)
        wanted: dict[str, Any] = {"plan": plan, "depth": depth, **_who()}
        if plan == "speed":
            wanted |= _speed()
        elif plan == "load":
            wanted |= _load()
        else:
            wanted |= _lengths()
        wanted |= _prompts()
        try:
            return ai_models.BenchmarkRequest.model_validate(
                {k: v for k, v in wanted.items() if v not in (None, [], {})}
            )
        except ValidationError as error:
            first = error.errors()[0]
            st.error(plain(f"{' '.join(map(str, first['loc']))}: {first['msg'].lower()}"), icon=":material/error:")
            return None


def _choose(label: str, param: str, titles: Mapping[str, str], *, clears: Sequence[str] = ()) -> str:
    """One of these, as the address has it."""
    chosen = chosen_of(param, titles)
    choice(label, param, titles, chosen, key=f"benchmark_{param}", clears=clears, listed=True)
    return chosen


def _who() -> dict[str, Any]:
    """Models to measure side by side; all engines, each with its model, where none is chosen."""
    try:
        engines = agent_client().engines().engines
    except AgentError:
        return {}  # the page says below that the agent does not answer
    models = [
        f"{engine.address if engine.name == 'openai' and engine.address else engine.name}={model.name}"
        for engine in engines
        if engine.state in {"ready", "idle"}
        for model in engine.models
    ]
    chosen = st.multiselect(
        "Models side by side",
        models,
        key="benchmark_models",
        placeholder="Each engine with its model",
        max_selections=8,
    )
    return {"models": chosen}


def _speed() -> dict[str, Any]:
    return {"kind": _choose("Comparison", "kind", KINDS), "measure": _choose("Measure", "measure", MEASURES)}


def _load() -> dict[str, Any]:
    sizes = st.text_input(
        "Requests at the same time", key="concurrency", placeholder="1, 2, 4, 8, 16, 32", bind="query-params"
    )
    rates = st.text_input(
        "Requests a second", key="rates", placeholder="None. For a sweep: 0.5, 1, 2, 4", bind="query-params"
    )
    left, right = st.columns(2)
    first = left.number_input("Good: first token within, s", 0.01, 600.0, 2.0, key="first", bind="query-params")
    each = right.number_input(
        "Good: each token within, s", 0.001, 60.0, 0.2, key="each", format="%.3f", bind="query-params"
    )
    return {"batches": _parts(sizes), "rates": _parts(rates), "slo": {"first_token_s": first, "per_token_s": each}}


def _lengths() -> dict[str, Any]:
    left, middle, right = st.columns(3)
    read = left.text_input("Tokens to read", key="read", placeholder="512", bind="query-params")
    make = middle.text_input("Tokens to generate", key="make", placeholder="128", bind="query-params")
    deep = right.text_input("Read before", key="deep", placeholder="0", bind="query-params")
    tests = [{"prompt": tokens} for tokens in _parts(read)] + [{"answer": tokens} for tokens in _parts(make)]
    left, right = st.columns(2)
    threads = left.text_input(
        "Threads (embedded engine)", key="threads", placeholder="As it is used", bind="query-params"
    )
    flash = right.multiselect(
        "Flash attention", ["on", "off"], key="flash", placeholder="As it is used", bind="query-params"
    )
    lengths = [{**test, "depth": depth} for depth in _parts(deep) or ["0"] for test in tests]
    return {"lengths": lengths, "threads": _parts(threads), "flash_attention": flash}


def _prompts() -> dict[str, Any]:
    """Prompts of one's own, in place of the program's."""
    file = st.file_uploader("Own prompts", type=["txt", "md", "jsonl"], key="own_prompts", max_upload_size=1)
    if file is None:
        return {}
    try:
        return {"prompts": parse_prompts(file.getvalue().decode("utf-8"), file.name.rpartition(".")[0])}
    except (UnicodeDecodeError, ConfigError) as error:
        st.error(plain(str(error)), icon=":material/error:")
        return {}


def _parts(text: str) -> list[str]:
    """`1, 2` → `["1", "2"]`."""
    return [part.strip() for part in text.split(",") if part.strip()]


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
        progress(named(now))


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
            st.caption(_to_come(now))


def _to_come(now: ai_models.Benchmark) -> str:
    if now.verdict:
        return "No pair was undisturbed. Figures, tables and charts follow at the end."
    if any(step.step == "pairs" for step in now.steps):
        return "The ratio of each pair appears here once both engines have answered the same prompt twice."
    return f"{now.measurements} requests were answered so far. Tables and charts follow at the end."


def _figures(now: ai_models.Benchmark) -> None:
    known = [f for f in now.figures if f.tokens_per_s is not None or f.first_token_s is not None]
    if not known:
        st.caption("The first result appears when a model is loaded and has answered once.")
        return
    for column, figure in zip(st.columns(max(len(known), 2)), known, strict=False):
        with column:
            rate = f"{figure.tokens_per_s:,.1f} tokens/s" if figure.tokens_per_s is not None else NONE
            first = f"first token {figure.first_token_s * 1e3:,.0f} ms" if figure.first_token_s is not None else ""
            st.metric(plain(figure.backend), rate)
            st.caption(f"{first} · {figure.n} so far")
    if now.flagged:
        st.caption(
            f"{now.flagged} of {now.measurements} measurements were disturbed. They are left out where enough others remain."
        )


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
