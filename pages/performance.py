"""Performance: metrics of host and GPUs over minutes to days."""

import streamlit as st

from monitor.api_models.ai import ExplainRequest
from pages.ai_parts.explain import Subject, explain_button, explain_panel, is_explaining
from pages.shared.agent import agent_client, guarded
from pages.ui import charts, components
from pages.ui.header import page_header
from pages.ui.timerange import TITLES, TimeRange


def spike(when: TimeRange) -> Subject:
    """The shown range as a subject to explain."""
    bounds = when.bounds
    since = str(bounds[0]) if bounds else "5m" if when.live else when.name
    return Subject(
        "spike",
        "Explain this range" if when.fixed else f"Explain the last {TITLES['5m' if when.live else when.name]}",
        "The model receives how the metrics differ from the time before, the processes that used most, and warnings and errors. "
        "Drag over a chart to select a range.",
        ExplainRequest(since=since, until=str(bounds[1]) if bounds else None, readings=True),
    )


when = page_header("Performance", actions=explain_button)
place = (
    st.container(key="explain_place") if is_explaining() else None
)  # filled last, so that the charts do not wait for it
components.live_charts(charts.HOST, when, columns=3, activity={}, key="host_charts")
components.core_strips()
components.devices()
with guarded("the GPUs"):
    gpus = agent_client().host_latest().gpu
    for gpu in gpus.gpus if gpus else ():
        components.live_charts(
            charts.gpu_panels(gpu.index, gpu.name), when, source={"kind": "gpu"}, columns=3, key=f"gpu_{gpu.index}"
        )
components.gpu_line()
if place is not None:
    with place:
        explain_panel(spike(when), here="performance")
