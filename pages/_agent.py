"""How pages reach the agent, and what they show when it is away or says no.

    with guarded("the processes"):
        rows = agent_client().processes()
        …

Inside the block everything may fail for want of the agent; what was drawn before stays, and an error state takes the place
of the rest. A page that shows one looks for the agent again by itself and heals without a reload.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import streamlit as st

from monitor.client import Client
from monitor.endpoint import Endpoint, read_endpoint
from monitor.errors import AgentError, AgentUnreachable, MonitorError
from pages import _dashboard

AWAY: Final = "agent_away_since"
LOOK_AGAIN_S: Final = 1.0
MEANING: Final = frozenset("\\`*_{}[]()<>#+-.!|~$:&@")
AUTOLINK: Final = re.compile(r"(https?(?=://)|www(?=\.)|(?<=.)(?=@))", re.IGNORECASE)


def agent_client() -> Client:
    """The client of this dashboard's agent, shared by all sessions; follows the agent when its address changes.

    Raises:
        AgentUnreachable: its address cannot be read.
    """
    client: Client = _client(read_endpoint(_dashboard.data_dir()))
    return client


@st.cache_resource(show_spinner=False, max_entries=4, on_release=lambda client: client.close())
def _client(endpoint: Endpoint) -> Client:
    return Client(endpoint, timeout_s=35.0)


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn the agent's absence or refusal inside the block into an error state.

    Args:
        what: names what could not be shown, as in "the processes".
    """
    try:
        yield
    except AgentUnreachable as error:
        since = st.session_state.setdefault(AWAY, time.time())
        error_state(f"The watch is away: {what} cannot be shown.", error, since=since)
        _look_again()
    except AgentError as error:
        st.session_state.pop(AWAY, None)
        error_state(f"{_capital(what)} cannot be shown.", error)
    else:
        st.session_state.pop(AWAY, None)


@st.fragment(run_every=LOOK_AGAIN_S)
def _look_again() -> None:
    """Ask for the agent once a second while it is away, and draw the page anew when it answers."""
    try:
        agent_client().get_json("/v1/status")
    except AgentError:
        return
    st.session_state.pop(AWAY, None)
    st.rerun()


def error_state(title: str, error: MonitorError, *, since: float | None = None) -> None:
    """Say what failed, since when, and what to do.

    Args:
        title: one sentence.
        error: its message and hint are shown as plain text.
        since: seconds since the epoch.
    """
    lines = [f"**{title}**", plain(f"{_capital(error.message)}.")]
    if since is not None:
        lines.append(f"Since {datetime.fromtimestamp(since).astimezone():%H:%M:%S}; it is looked for every second.")
    if error.hint:
        lines.append(f"What to do: {worded(error.hint)}.")
    st.error("  \n".join(lines), icon=":material/error:")


def empty_state(title: str, why: str, action: str = "", *, icon: str = ":material/info:") -> None:
    """Say what is missing, why, and what would fill it."""
    st.info("  \n".join(part for part in (f"**{title}**", why, action) if part), icon=icon)


def plain(text: str) -> str:
    """Text of a stranger for a place that reads Markdown: it looks as it is, and does nothing.

    Every sign that could mean something is escaped. Addresses would become links all the same, since those are looked for
    in finished text; an invisible word joiner keeps them from it.
    """
    inert = AUTOLINK.sub("\\1\u2060", text)
    return "".join(f"\\{sign}" if sign in MEANING else sign for sign in inert).replace("\n", " ").replace("\r", " ")


def worded(text: str) -> str:
    """Like `plain`, with what stands between backticks as code, where nothing is read as anything else."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return "".join(f"`{part}`" if place % 2 and part.strip() else plain(part) for place, part in enumerate(parts))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
