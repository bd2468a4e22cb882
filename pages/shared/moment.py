"""The controls of a past moment: a time as people type it, and steps to its neighbours. The address holds it in full (`at`)."""

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, plain
from pages.ui.timerange import iso, parse_moment, visitors_zone

SECOND: Final = 1_000_000
STEPS: Final = {
    "\N{MINUS SIGN}1 min": -60 * SECOND,
    "\N{MINUS SIGN}1 s": -SECOND,
    "+1 s": SECOND,
    "+1 min": 60 * SECOND,
}
_TEXT: Final = "moment_text"
_WRONG: Final = "moment_wrong"
_SHOWN: Final = "moment_shown"


def controls() -> int | None:
    """Draw the controls and return the moment in µs; None before one is chosen."""
    at = _of_address()
    if at is not None and st.session_state.get(_SHOWN) != at:  # a chart, a link or a step changed it
        st.session_state[_TEXT], st.session_state[_SHOWN] = _written(at), at
    st.text_input(
        "Time",
        key=_TEXT,
        placeholder="Time: 03:12, 2h, yesterday 14:00",
        label_visibility="collapsed",
        on_change=_typed,
        width=230,
    )
    if at is not None:
        for label, step in STEPS.items():
            st.button(label, key=f"moment_{step}", on_click=_go, args=(at + step,), help="Move the moment")
    if wrong := st.session_state.pop(_WRONG, None):
        st.caption(f":material/error: {plain(wrong)}")
    elif at is None:
        st.caption("Give a time, or click in a chart: the table then shows every process as it was at that second.")
    return at


def _of_address() -> int | None:
    """The moment in the address. A time as people type it, as in a link that somebody wrote by hand, is made a full one."""
    text = st.query_params.get("at", "").strip()
    if not text:
        return None
    try:
        return parse_moment(text)
    except ValueError:
        at = _resolved(text)
        if at is not None:
            _go(at)
        return at


def _typed() -> None:
    text = str(st.session_state.get(_TEXT) or "").strip()
    if not text:
        st.query_params.update({"at": []})
        return
    at = _resolved(text)
    if at is not None:
        _go(at)


def _resolved(text: str) -> int | None:
    """The agent's reading of the text in the visitor's time zone; None if it is none, which is then said."""
    try:
        return agent_client().moment(text[:60], str(getattr(visitors_zone(), "key", "UTC")))
    except AgentError as error:
        st.session_state[_WRONG] = f"{error.message} {error.hint}"
        return None


def _go(at: int) -> None:
    st.query_params.update({"at": iso(at)})


def _written(at: int) -> str:
    """The moment in the visitor's time zone, as it can be typed."""
    moment = datetime.fromtimestamp(at // SECOND, UTC).astimezone(visitors_zone())
    return f"{moment:%Y-%m-%d %H:%M:%S}"
