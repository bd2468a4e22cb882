"""A row of choices whose value lives in the address, so that a link reproduces it."""

from collections.abc import Mapping, Sequence

import streamlit as st


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
        listed: one below the other, with the label above, for titles that are sentences; else a row of buttons.
    """
    if st.session_state.get(key) != chosen:  # a link, a chart or the back button changed the address
        st.session_state[key] = chosen
    written = (key, param, next(iter(options)), tuple(clears))
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


def _write(key: str, param: str, standard: str, clears: Sequence[str]) -> None:
    """Write the clicked value to the address. One update of all parameters is one step of the browser's history; an empty list removes one."""
    value = st.session_state.get(key)
    if value is None:  # the page was left before the click was handled, and its widgets with it
        return
    st.query_params.update({param: [] if value == standard else [value], **{name: [] for name in clears}})
