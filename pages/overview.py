"""Overview: the health of the machine at a glance."""

import streamlit as st

from pages.ui import charts, components
from pages.ui.header import page_header

when = page_header("Overview")
components.live_cards()
with st.container(key="beside"):
    left, right = st.columns([2.1, 1], gap="small")
with left:
    components.live_charts(charts.OVERVIEW, when, activity={}, key="overview_charts")
    components.newest_errors()
with right:
    components.busiest_processes()
    components.engines()
    components.data_quality()
components.gpu_line()
