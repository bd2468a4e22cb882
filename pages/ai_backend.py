"""AI back ends: the model engines of this machine, benchmarks of them, and which engine answers."""

import streamlit as st

from monitor.api_models.ai import AiBackend, BenchmarkRequest
from monitor.api_models.machine import Engine
from monitor.client.client import Refused
from monitor.core.errors import AgentError
from pages.ai_parts import benchmark_run as run
from pages.ai_parts.benchmark_charts import charts
from pages.ai_parts.benchmark_history import files, history, samples
from pages.ai_parts.benchmark_offer import offer
from pages.ai_parts.benchmark_verdict import figures, quality_table, verdict
from pages.ai_parts.chat_box import chat_box
from pages.ai_parts.engine_card import ABSENT, engine_card, summary, unusable
from pages.ai_parts.explain import explain_errors
from pages.ai_parts.gateway import gateway
from pages.ai_parts.policy import live_calls, policy
from pages.ai_parts.shelf import shelf
from pages.ai_parts.try_it import try_it
from pages.shared.agent import agent_client, empty_state, error_state, guarded, plain
from pages.shared.engine_names import learn_names, named
from pages.shared.visitor import may_change
from pages.ui.header import page_title
from pages.ui.numbers import clock, duration

REFRESH_S = 15.0


def _order(engine: Engine | AiBackend) -> tuple[int, str]:
    """Usable engines first."""
    return {"ready": 0, "idle": 1, "error": 2, "down": 3, "missing": 4}.get(engine.state, 5), engine.label


def _gpu_sentence() -> str:
    """The GPUs in one sentence."""
    gpu = agent_client().status().gpu
    if gpu.state == "ok":
        count = f"{gpu.count} NVIDIA GPU" + ("s" if gpu.count != 1 else "")
        return f"{count} found; metrics are on the Performance page."
    return f"{plain(gpu.message or 'No GPU found.')} Engines that need a GPU cannot run here; the others use the CPU."


@st.fragment(run_every=REFRESH_S)
def _engines() -> None:
    """The engines, refreshed while the page is open. The settings say how often the agent checks them."""
    with guarded("the engines"):
        found = agent_client().engines()
        now = agent_client().status().now
        if found.checked:
            st.markdown(
                f"{summary(found.engines)} :gray[{_gpu_sentence()} Checked at {clock(found.checked)}, {duration((now - found.checked) / 1e6)} ago.]",
                help="An engine is ready when it responds and has a model.",
            )
        if not found.engines:
            empty_state(
                "Engines have not been checked yet." if not found.checked else "No engines found.",
                "Watchkeeper looks for Ollama, OpenAI-compatible servers, and installed packages.",
                "Enter their addresses in *Settings*, group *Engines*, then check again.",
                icon=":material/neurology:",
            )
            return
        known = _known()
        ordered = sorted(found.engines, key=_order)
        here = [engine for engine in ordered if engine.state not in ABSENT]
        if here:
            with st.grid(min(len(here), 3), min_column_width=300):
                for place, engine in enumerate(here):
                    engine_card(engine, known.get((engine.name, engine.address or "")), key=f"engine_{place}")
        absent = [engine for engine in ordered if engine.state in ABSENT]
        if absent:
            unusable(absent)


def _known() -> dict[tuple[str, str], AiBackend]:
    """Memory, figures and circuit breaker of each engine, or nothing when the agent refuses."""
    try:
        return {(b.name, b.address or ""): b for b in agent_client().ai.backends().backends}
    except Refused:
        return {}


def _newest() -> str | None:
    """The benchmark to show: the one in the address, else the newest with measurements, if there is one."""
    wanted = st.query_params.get("benchmark", "")
    if wanted:
        return wanted
    rows = agent_client().ai.history(limit=20).benchmarks
    rows = [row for row in rows if row.state != "failed"]
    told = (row.benchmark for row in rows if row.state == "done" or row.blocks)  # one that ended early may say nothing
    return next(told, rows[0].benchmark if rows else None)


def _benchmark() -> None:
    """The running benchmark, or the verdict of the last one."""
    run.refusal()
    now = agent_client().ai.benchmark()
    runs = now.state == "running"
    if runs is not st.session_state.get("benchmark_runs", False):  # the button was drawn before this was known
        st.session_state.benchmark_runs = runs
        st.rerun()
    if runs:
        run.follow()
        return
    if now.state == "failed" and now.error:
        st.error(f"**The last benchmark failed.** {plain(now.error)} {plain(now.hint)}", icon=":material/error:")
    elif now.error:
        st.warning(plain(now.error), icon=":material/warning:")
    chosen = _newest()
    if chosen is None:
        empty_state(
            "No verdict yet." if now.state == "failed" else "No benchmark yet.",
            "*Benchmark* sends the same prompts to all usable engines in turn and reports which is faster, by how much, and with which confidence.",
            "The first results appear within seconds, the verdict on speed after a minute or so. Quality is measured after it.",
            icon=":material/speed:",
        )
        return
    report = agent_client().ai.report(chosen)
    offered = report
    report = named(report)
    verdict(report)
    offer(offered)
    files(report)
    with st.container(border=True):
        figures(report)
    charts(report)
    if any(c.quality for c in report.contenders):
        with st.container(border=True):
            items = max(c.quality.items for c in report.contenders if c.quality)
            st.header(f"Quality on {items} labelled postings", anchor=False)
            quality_table(report)
    samples(report)


def _actions() -> None:
    """The actions on all engines."""
    st.button("Check again", key="check_again", icon=":material/refresh:", on_click=_check_again)
    wanted = run.options()
    st.button(
        "Benchmark",
        key="benchmark",
        type="primary",
        icon=":material/play_arrow:",
        on_click=run.begin,
        args=(wanted,),
        disabled=_why_not(wanted) is not None,
        help=_why_not(wanted),
    )


def _why_not(wanted: BenchmarkRequest | None) -> str | None:
    """Why no benchmark can be started; None where one can."""
    if not may_change():
        return "Only operators can start a benchmark."
    if st.session_state.get("benchmark_runs"):
        return "A benchmark runs; cancel it below, or wait for its end."
    return "Correct the options first." if wanted is None else None


def _check_again() -> None:
    """Check all engines now."""
    try:
        agent_client().refresh_engines()
    except AgentError as error:
        st.session_state.engines_refused = error


page_title("AI back ends", actions=_actions)
if (refused := st.session_state.pop("engines_refused", None)) is not None:
    error_state("The engines could not be checked.", refused)
learn_names()
with guarded("the benchmark"):
    _benchmark()
st.header("Engines", anchor=False)
with guarded("the engines"):
    _engines()
with st.container(border=True, key="models"):
    st.header("Models", anchor="models")
    shelf()
with st.container(border=True, key="chat"):
    st.header("Chat with a model", anchor="chat")
    with guarded("the engines"):
        chat_box(list(_known().values()))
left, right = st.columns(2)
with left, st.container(border=True, height="stretch"):
    st.header("Which engine answers", anchor=False)
    with guarded("the policy"):
        policy()
with right, st.container(border=True, height="stretch"):
    live_calls()
with st.container(border=True, key="gateway"):
    gateway()
with st.container(border=True):
    st.header("Try it", anchor=False)
    try_it()
with st.container(border=True):
    st.header("Explain the logs", anchor=False)
    explain_errors()
with st.container(border=True, key="history"):
    st.header("History", anchor=False)
    with guarded("the history"):
        history()
