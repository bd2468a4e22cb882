"""The head of a page: its title, and the time range where it has one."""

import streamlit as st

from pages.ui.timerange import TimeRange, time_range


def page_title(title: str) -> None:
    """The title alone, in the same place."""
    with st.container(horizontal=True, vertical_alignment="center", key="page_header"):
        st.title(title, width="stretch", anchor=False)


def page_header(title: str) -> TimeRange:
    """The title with the time range beside it (below it on a narrow screen)."""
    with st.container(horizontal=True, vertical_alignment="center", key="page_header"):
        st.title(title, width="stretch", anchor=False)
        return time_range()
