"""Performance: host and GPU over minutes to days; never more points than pixels."""

import streamlit as st

from monitor.ai_models import ExplainRequest
from pages._agent import agent_client, guarded
from pages._ai_explain import Subject, explain_button, explain_panel, is_explaining
from pages.ui import charts, components
from pages.ui.header import page_header
from pages.ui.timerange import TITLES, TimeRange


def spike(when: TimeRange) -> Subject:
    """The range that is shown, to be explained: what the readings did, which processes, which records."""
    bounds = when.bounds
    since = str(bounds[0]) if bounds else "5m" if when.live else when.name
    return Subject(
        "spike",
        "Explain this range" if when.fixed else f"Explain the last {TITLES['5m' if when.live else when.name]}",
        "Given to the model: how the readings differ from the time before, the processes that used most, and the warnings and errors. "
        "Drag over a chart to choose the range.",
        ExplainRequest(since=since, until=str(bounds[1]) if bounds else None, readings=True),
    )


when = page_header("Performance", actions=explain_button)
place = st.container(key="explain_place") if is_explaining() else None  # filled last: the charts do not wait for it
components.live_charts(charts.HOST, when, columns=3, key="host_charts")
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
