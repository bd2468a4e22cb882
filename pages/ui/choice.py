"""A row of choices whose value lives in the address, so that a link reproduces it."""

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

_PARAMS: Final = "choices"
"""Where the session keeps the parameter and the standard value of each control, by its key."""
_CLICKED: Final = "choices_clicked"
"""Where it keeps the value that was clicked last, by parameter."""


def chosen_of(param: str, options: Mapping[str, str]) -> str:
    """The value in the address, or the first option."""
    value = st.query_params.get(param, "")
    return value if value in options else next(iter(options))


def choice(
    label: str,
    param: str,
    options: Mapping[str, str],
    chosen: str,
    *,
    key: str,
    clears: Sequence[str] = (),
    listed: bool = False,
    shown_only: str = "",
) -> None:
    """Draw the choices. A click changes the address before the page runs, so that one click is one run.

    Streamlit's own binding of radio buttons to the address is of no use here: it writes and reads titles, not values.

    Args:
        label: names the group for screen readers.
        param: name in the address.
        options: value → title. The address leaves out the first value.
        chosen: the current value.
        key: names the widget.
        clears: other parameters that a click removes from the address.
        shown_only: a value that a link or a chart gives and no click: the control is told of it by the page.
        listed: one below the other, with the label above, for titles that are sentences; else a row of buttons.
    """
    if st.session_state.get(key) != chosen:  # a link, a chart or the back button changed the address
        st.session_state[key] = chosen
    written = (key, param, next(iter(options)), tuple(clears), shown_only)
    st.session_state.setdefault(_PARAMS, {})[key] = param, next(iter(options))
    if listed:
        st.radio(label, list(options), key=key, format_func=options.__getitem__, on_change=_write, args=written)
        return
    st.segmented_control(
        label,
        list(options),
        key=key,
        format_func=options.__getitem__,
        required=True,
        label_visibility="collapsed",
        on_change=_write,
        args=written,
    )


def _write(key: str, param: str, standard: str, clears: Sequence[str], shown_only: str) -> None:
    """Write the clicked value to the address. One update of all parameters is one step of the browser's history; an empty list removes one.

    A click soon after another comes with the address from before both, for the browser has not heard yet what the first one wrote: that is written again.
    """
    value = st.session_state.get(key)
    if (
        value is None or value == shown_only
    ):  # the page was left before the click was handled, and its widgets with it; or the page changed it
        return
    clicked = st.session_state.setdefault(_CLICKED, {})
    clicked[param] = value
    changes = {param: [] if value == standard else [value], **{name: [] for name in clears}}
    for other, (name, usual) in st.session_state.get(_PARAMS, {}).items():
        shown = st.session_state.get(other)  # in the control, which the person sees
        if name not in changes and shown is not None and shown == clicked.get(name) != st.query_params.get(name, usual):
            changes[name] = [] if shown == usual else [shown]
    st.query_params.update(changes)
