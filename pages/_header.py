"""The head of a page: its name on the left, what one can do on the right, and what counts below."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st


@contextmanager
def header(title: str, *, caption: str = "") -> Iterator[None]:
    """Draw a page's head; what is drawn inside the block stands at its right end.

    Args:
        title: the page's name.
        caption: one quiet sentence below it; Markdown of our own.
    """
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(title, anchor=False, width="content")
        with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", width="content"):
            yield
    if caption:
        st.caption(caption)
