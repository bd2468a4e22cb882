"""The frame of every page: configuration, navigation, side bar, and the status strip."""

from pathlib import Path

import streamlit as st

from pages.server.auth import NOBODY_ASKED
from pages.shared.visitor import current_visitor
from pages.ui.components import heal_when_back, watch_footer
from pages.ui.header import reserve_head

HERE = Path(__file__).resolve().parent
SIDE_PX = 208

# Own pictures: a Material icon here would be fetched from another server.
st.set_page_config(
    page_title="Watchkeeper",
    page_icon=(HERE / "_icon.svg").read_text("utf-8"),
    layout="wide",
    initial_sidebar_state=SIDE_PX,
)
st.logo((HERE / "_logo.svg").read_text("utf-8"), size="large", icon_image=(HERE / "_icon.svg").read_text("utf-8"))

page = st.navigation(
    [
        st.Page(
            "overview.py",
            title="Overview",
            icon=":material/monitoring:",
            url_path="overview",
            default=True,
            help="Health of this machine at a glance: key metrics, busiest processes, latest errors, engines.",
        ),
        st.Page(
            "processes.py",
            title="Processes",
            icon=":material/memory:",
            url_path="processes",
            help="All running processes, live. Sort, filter, and open one for details.",
        ),
        st.Page(
            "services.py",
            title="Services",
            icon=":material/deployed_code:",
            url_path="services",
            help="Commands that are kept running: states, start, stop, add and edit.",
        ),
        st.Page(
            "jobs.py",
            title="Jobs",
            icon=":material/task_alt:",
            url_path="jobs",
            help="Jobs that workers report: counts, failures, what is in flight or stuck.",
        ),
        st.Page(
            "logs.py",
            title="Logs",
            icon=":material/article:",
            url_path="logs",
            help="Log records of all sources, live or from a time range. Filter and search.",
        ),
        st.Page(
            "patterns.py",
            title="Patterns",
            icon=":material/account_tree:",
            url_path="patterns",
            help="What log records have in common: how often each pattern occurs, what is new, and what changed.",
        ),
        st.Page(
            "performance.py",
            title="Performance",
            icon=":material/show_chart:",
            url_path="performance",
            help="Metrics of the machine and its GPUs over minutes, hours and days.",
        ),
        st.Page(
            "alerts.py",
            title="Alerts",
            icon=":material/notifications:",
            url_path="alerts",
            help="What fires now, what fired before, the rules, and who is notified.",
        ),
        st.Page(
            "ai_backend.py",
            title="AI back ends",
            icon=":material/neurology:",
            url_path="ai",
            help="Model engines on this machine, benchmarks, and which engine answers.",
        ),
        st.Page(
            "settings.py",
            title="Settings",
            icon=":material/settings:",
            url_path="settings",
            help="View and change settings, and see where each value comes from.",
        ),
        st.Page("run.py", title="Process", icon=":material/memory:", url_path="run", visibility="hidden"),
    ]
)

with st.sidebar:
    watch_footer()
    visitor = current_visitor()
    if visitor is not None and visitor is not NOBODY_ASKED:
        st.text(f"{visitor.name}, {visitor.role}")
        st.html('<a href="/wk/logout" target="_self" style="color:inherit">Sign out</a>')
    heal_when_back()  # in the side bar it leaves no gap in the page

reserve_head()
page.run()
