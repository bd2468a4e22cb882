"""The frame of every page: its configuration, the navigation, and what stands beside the page."""

from pathlib import Path

import streamlit as st

from pages._auth import NOBODY_ASKED
from pages._healing import heal_when_back
from pages._visitor import current_visitor
from pages.ui.header import reserve_head
from pages.ui.strip import watch_footer

HERE = Path(__file__).resolve().parent
SIDE_PX = 208
KEYS = (
    ("/", "search"),
    ("space", "pause, resume"),
    ("g o", "Overview"),
    ("g p", "Processes"),
    ("g l", "Logs"),
    ("g f", "Performance"),
    ("g a", "AI back ends"),
    ("g s", "Settings"),
    ("Esc", "leave, close"),
    ("?", "this help"),
)

# Pictures of our own: a Material icon here would be fetched from its maker's server.
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
            help="Is this machine well? Readings, busiest processes, newest errors, engines.",
        ),
        st.Page(
            "processes.py",
            title="Processes",
            icon=":material/memory:",
            url_path="processes",
            help="Every running process, live: sort, filter, open one.",
        ),
        st.Page(
            "logs.py",
            title="Logs",
            icon=":material/article:",
            url_path="logs",
            help="Log records of every source, live or of the past: filter, search, expand.",
        ),
        st.Page(
            "performance.py",
            title="Performance",
            icon=":material/show_chart:",
            url_path="performance",
            help="Readings of machine and GPU over minutes, hours and days.",
        ),
        st.Page(
            "ai_backend.py",
            title="AI back ends",
            icon=":material/neurology:",
            url_path="ai",
            help="Which model engines are found here, and what to do about the rest.",
        ),
        st.Page(
            "settings.py",
            title="Settings",
            icon=":material/settings:",
            url_path="settings",
            help="What is in force, where it came from, and the way to change it.",
        ),
        st.Page("run.py", title="Process", icon=":material/memory:", url_path="run", visibility="hidden"),
    ]
)

with st.sidebar:
    watch_footer()
    with st.popover("Keyboard", icon=":material/keyboard:", type="tertiary"):
        st.markdown("| key | does |\n|:--|:--|\n" + "\n".join(f"| `{key}` | {what} |" for key, what in KEYS))
    visitor = current_visitor()
    if visitor is not None and visitor is not NOBODY_ASKED:
        st.text(f"{visitor.name}, {visitor.role}")
        st.html('<a href="/wk/logout" target="_self" style="color:inherit">Sign out</a>')
    heal_when_back()  # here it takes no room of the page

reserve_head()
page.run()
