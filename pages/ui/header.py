"""The header of every page: title, actions at the right end, and the status strip below.

The frame reserves the row and draws the strip, so that the strip and its keyboard stay when the page changes. The page fills
the row.
"""

from collections.abc import Callable
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui.components import pause_button, status_strip
from pages.ui.timerange import WINDOWS, TimeRange, time_range

Draw = Callable[[], object]
_ROW: Final = "page_header_row"


def page_title(title: str, *, actions: Draw | None = None) -> None:
    """The header of a page without a time range.

    Args:
        title: name of the page.
        actions: draws buttons at the right end of the row.
    """
    with _row(title):
        pause_button()
        if actions is not None:
            actions()


def page_header(
    title: str, *, actions: Draw | None = None, life: TimeRange | None = None, live_link_s: int = WINDOWS["live"]
) -> TimeRange:
    """The header of a page with a time range, and the chosen range; `life` and `live_link_s` are those of `time_range`."""
    with _row(title):
        if actions is not None:
            actions()
        pause_button()
        return time_range(life, live_link_s=live_link_s)


def reserve_head() -> None:
    """Reserve the row for the page, and draw the strip below it."""
    st.session_state[_ROW] = _container()
    status_strip()


def _container() -> DeltaGenerator:
    return st.container(horizontal=True, vertical_alignment="center", key="page_header")


def _row(title: str) -> DeltaGenerator:
    row: DeltaGenerator = st.session_state.pop(_ROW, None) or _container()
    row.title(title, width="stretch", anchor=False)
    return row
