"""Questions in a popover that stay open until they are answered, also while the page runs again by itself."""

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.elements.lib.mutable_popover_container import PopoverContainer


def question(label: str, key: str, **look: Any) -> PopoverContainer:
    """A button that opens a question. What is in it answers through `answered`.

    Without its state in the session a popover is closed whenever something in front of it comes or goes.
    """
    return st.popover(label, key=key, on_change="rerun", **look)


def answered(key: str, act: Callable[..., None], *given: Any) -> None:
    """For a button in a question: close it, and do what was asked."""
    st.session_state[key] = False
    act(*given)
