"""The frame of every page: its configuration, the navigation, and what stands beside it."""

import streamlit as st

st.set_page_config(page_title="Watchkeeper", page_icon=":material/anchor:", layout="wide")

page = st.navigation(
    {
        "": [
            st.Page("overview.py", title="Overview", icon=":material/monitoring:", url_path="overview", default=True),
            st.Page("processes.py", title="Processes", icon=":material/memory:", url_path="processes"),
            st.Page("logs.py", title="Logs", icon=":material/article:", url_path="logs"),
            st.Page("performance.py", title="Performance", icon=":material/show_chart:", url_path="performance"),
            st.Page("ai_backend.py", title="AI back ends", icon=":material/neurology:", url_path="ai"),
            st.Page("settings.py", title="Settings", icon=":material/settings:", url_path="settings"),
            st.Page("run.py", title="Process", url_path="run", visibility="hidden"),
        ],
    }
)
page.run()
