"""AI back ends: which model engines are found here, which is fastest, what it costs, whether it is as good."""

import streamlit as st

from monitor.ai_models import AiBackend
from monitor.client import Refused
from monitor.errors import AgentError
from monitor.models import Engine
from pages import _benchmark_run as run
from pages._agent import agent_client, empty_state, error_state, guarded, plain
from pages._ai_explain import explain_errors
from pages._ai_policy import live_calls, policy
from pages._ai_tryit import try_it
from pages._benchmark_charts import charts
from pages._benchmark_offer import offer
from pages._benchmark_past import files, past, samples
from pages._benchmark_verdict import figures, quality_table, verdict
from pages._engine_card import ABSENT, engine_card, summary, unusable
from pages._visitor import may_change
from pages._words import age, clock
from pages.ui.header import page_title

REFRESH_S = 15.0


def _order(engine: Engine | AiBackend) -> tuple[int, str]:
    """What works stands first."""
    return {"ready": 0, "idle": 1, "error": 2, "down": 3, "missing": 4}.get(engine.state, 5), engine.label


def _gpu_sentence() -> str:
    """What is known of the GPUs, in one sentence."""
    gpu = agent_client().status().gpu
    if gpu.state == "ok":
        count = f"{gpu.count} NVIDIA GPU" + ("s" if gpu.count != 1 else "")
        return f"{count} here; readings are on the Performance page."
    return f"{plain(gpu.message or 'No GPU can be read here.')} Engines that need one cannot run here; the others use the CPU."


@st.fragment(run_every=REFRESH_S)
def _engines() -> None:
    """The engines, read again from time to time; the agent itself looks at them as often as the settings say."""
    with guarded("the engines"):
        found = agent_client().engines()
        now = agent_client().status().now
        if found.checked:
            st.markdown(
                f"{summary(found.engines)} :gray[{_gpu_sentence()} Checked at {clock(found.checked)}, {age((now - found.checked) / 1e6)} ago.]",
                help="An engine counts as ready when it answers and has a model.",
            )
        if not found.engines:
            empty_state(
                "No engine was looked for yet." if not found.checked else "No engine is known here.",
                "Watchkeeper asks Ollama, OpenAI-compatible servers, and installed packages.",
                "Give their addresses under *Settings*, group *Engines*, then check again.",
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
    """What more there is to say of each engine: memory, figures, circuit. An agent that cannot tell leaves the cards as they are."""
    try:
        return {(b.name, b.address or ""): b for b in agent_client().ai.backends().backends}
    except Refused:
        return {}


def _newest() -> str | None:
    """The benchmark to show: the one in the address, else the newest that measured anything."""
    wanted = st.query_params.get("benchmark", "")
    if wanted:
        return wanted
    rows = agent_client().ai.history(limit=20).benchmarks
    return next((row.benchmark for row in rows if row.state != "failed"), None)


def _benchmark() -> None:
    """The running benchmark, or the verdict of the last one."""
    run.refusal()
    now = agent_client().ai.benchmark()
    if now.state == "running":
        run.follow()
        return
    if now.state == "failed" and now.error:
        st.error(f"**The last benchmark failed.** {plain(now.error)} {plain(now.hint)}", icon=":material/error:")
    elif now.error:
        st.warning(plain(now.error), icon=":material/warning:")
    chosen = _newest()
    if chosen is None:
        empty_state(
            "No engine has been measured here yet.",
            "*Benchmark* asks every engine that can be used the same questions in turn, and says which is faster, by how much, and how sure that is.",
            "It takes a minute or two; the first figure comes in seconds.",
            icon=":material/speed:",
        )
        return
    report = agent_client().ai.report(chosen)
    verdict(report)
    offer(report)
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
    """What can be done with all engines."""
    st.button("Check again", key="check_again", icon=":material/refresh:", on_click=_check_again)
    wanted = run.options()
    st.button(
        "Benchmark",
        key="benchmark",
        type="primary",
        icon=":material/play_arrow:",
        on_click=run.begin,
        args=(wanted,),
        disabled=not may_change(),
        help=None if may_change() else "Only operators may start a benchmark.",
    )


def _check_again() -> None:
    """Have every engine asked."""
    try:
        agent_client().refresh_engines()
    except AgentError as error:
        st.session_state.engines_refused = error


page_title("AI back ends", actions=_actions)
if (refused := st.session_state.pop("engines_refused", None)) is not None:
    error_state("The engines were not asked.", refused)
with guarded("the benchmark"):
    _benchmark()
st.header("Engines", anchor=False)
with guarded("the engines"):
    _engines()
left, right = st.columns(2)
with left, st.container(border=True, height="stretch"):
    st.header("Which engine answers", anchor=False)
    with guarded("the policy"):
        policy()
with right, st.container(border=True, height="stretch"):
    live_calls()
with st.container(border=True):
    st.header("Try it", anchor=False)
    try_it()
with st.container(border=True):
    st.header("Explain the log", anchor=False)
    explain_errors()
with st.container(border=True, key="history"):
    st.header("History", anchor=False)
    with guarded("the history"):
        past()
