"""The head of every page: its title, what can be done with the whole page at its right end, and the status strip below."""

from collections.abc import Callable

import streamlit as st

from pages.ui.strip import pause_button, status_strip
from pages.ui.timerange import TimeRange, time_range

Draw = Callable[[], object]


def page_title(title: str, *, live: bool = False, actions: Draw | None = None) -> None:
    """The head of a page without a time range.

    Args:
        title: the page's name.
        live: whether something on it moves, so that one may want to pause it.
        actions: draws buttons at the right end of the row.
    """
    _head(title, actions, live=live)


def page_header(title: str, *, actions: Draw | None = None) -> TimeRange:
    """The same with the time range (below the title on a narrow screen)."""
    chosen: list[TimeRange] = []

    def draw() -> None:
        if actions is not None:
            actions()
        chosen.append(time_range())

    _head(title, draw, live=True)
    return chosen[0]


def _head(title: str, actions: Draw | None, *, live: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="page_header"):
        st.title(title, width="stretch", anchor=False)
        if actions is not None:
            actions()
        if live:
            pause_button()
    status_strip()
