"""Finished benchmarks: measurements, exports, history, comparison."""

from functools import partial
from typing import Final, Literal

import streamlit as st

from monitor.api_models import ai as ai_models
from monitor.core.errors import AgentError
from pages.ai_parts.benchmark_run import repeat
from pages.shared.agent import agent_client, error_state, plain
from pages.shared.engine_names import named
from pages.shared.visitor import may_change
from pages.ui.numbers import moment

Form = Literal["html", "json", "csv"]
_FORMS: Final[tuple[tuple[Form, str, str], ...]] = (
    ("html", "Report", "text/html"),
    ("json", "JSON", "application/json"),
    ("csv", "CSV", "text/csv"),
)


def files(report: ai_models.FullReport) -> None:
    """Exports, made at the click, and the button that repeats the benchmark."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for form, label, mime in _FORMS:
            st.download_button(
                label,
                data=partial(_export, report.id, form),
                file_name=f"benchmark-{report.id}.{form}",
                mime=mime,
                key=f"export_{form}",
                icon=":material/download:",
                on_click="ignore",
            )
        st.button(
            "Repeat",
            key="benchmark_repeat",
            icon=":material/replay:",
            on_click=repeat,
            args=(report.id,),
            disabled=not may_change(),
            help="Run again with the same engines, prompts, order and seed, and compare the verdicts.",
        )


def _export(benchmark: str, form: Form) -> bytes:
    return agent_client().ai.export(benchmark, form)


def samples(report: ai_models.FullReport) -> None:
    """All measurements, used or excluded."""
    with st.expander(f"All {len(report.samples)} measurements", icon=":material/table_rows:"):
        rows = [
            {
                "Time": moment(s.ts),
                "Pair": s.block + 1 if s.block >= 0 else s.level or "warm-up",
                "Back end": s.backend,
                "Batch": s.batch,
                "Prompt": s.prompt,
                "Tokens/s": s.rate,
                "First token, s": s.ttft_s,
                "Answer, s": s.total_s,
                "Tokens": s.completion_tokens,
                "Used": s.used,
                "Disturbed by": ", ".join(s.flags) or s.error or "",
            }
            for s in report.samples
        ]
        for row in rows:
            row["Pair"] = str(row["Pair"])
        st.dataframe(rows, key="samples", hide_index=True, height=320)


def history() -> None:
    """All benchmarks with what changed, and a comparison of two of them."""
    found = named(agent_client().ai.history()).benchmarks
    if not found:
        st.caption("No benchmarks on this machine yet.")
        return
    lines = ["| Time | Engines | Verdict | Report |", "|:--|:--|:--|:--|"]
    for row in found[:20]:
        changed = f" :orange[:material/change_history: {plain(row.changes[0])}]" if row.changes else ""
        state = "" if row.state == "done" else f" :gray[{row.state}]"
        link = f"[Open](/ai?benchmark={row.benchmark})"
        lines.append(
            f"| {moment(row.started)} | {plain(row.backends or '')} | {plain(row.verdict or '')}{state}{changed} | {link} |"
        )
    st.markdown("\n".join(lines))
    if len(found) > 1:
        _comparison(found)


def _comparison(found: list[ai_models.HistoryRow]) -> None:
    ids = [row.benchmark for row in found]
    names = {row.benchmark: f"{moment(row.started)} · {row.backends}" for row in found}
    left, right = st.columns(2)
    before = left.selectbox("Before", ids, index=1, format_func=names.__getitem__, key="compare_before")
    after = right.selectbox("After", ids, index=0, format_func=names.__getitem__, key="compare_after")
    if before == after:
        st.caption("Select two different benchmarks.")
        return
    try:
        compared = named(agent_client().ai.compare(before, after))
    except AgentError as error:
        error_state("These benchmarks cannot be compared.", error)
        return
    st.markdown(f"**{plain(compared.sentence)}**")
    for change in compared.changes:
        sign = ":orange[:material/change_history:]" if change.changed else ":gray[:material/check:]"
        st.markdown(f"{sign} {plain(change.sentence)}")
