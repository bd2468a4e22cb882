"""Performance: host and GPU over minutes to days; never more points than pixels."""

from pages._agent import agent_client, guarded
from pages.ui import charts, components
from pages.ui.header import page_header

when = page_header("Performance")
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
