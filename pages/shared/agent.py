"""The client of the agent for pages, and what pages show when the agent is not reachable or refuses.

    with guarded("the processes"):
        rows = agent_client().processes()
        …

When a call inside the block fails, what was drawn before stays and an error state takes the place of the rest. Such a page
retries once a second and recovers without a reload.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import streamlit as st

from monitor.client.client import Client
from monitor.core.endpoint import Endpoint, read_endpoint
from monitor.core.errors import AgentConnecting, AgentError, AgentUnreachable, MonitorError
from pages.server import dashboard

AWAY: Final = "agent_away_since"
LOOK_AGAIN_S: Final = 1.0
REQUESTS: Final = 64
"""Of all visitors at a time; further ones wait."""
MEANING: Final = frozenset("\\`*_{}[]()<>#+-.!|~$:&@")
ICON: Final = re.compile(":(?=material/|streamlit:)")
CONTROL: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]")
"""Characters that nobody sees, or that change the order of those around them."""
REPLACED: Final = re.compile(
    r"(https?(?=://)|www(?=\.)|(?<=.)(?=@)|:(?=material/|streamlit:)|(?<!\S)(?=(?:<->|<-|->|--|<=|>=|~=)(?!\S)))",
    re.IGNORECASE,
)
"""Behind these groups a text is broken, so that Streamlit does not find in the rendered text what it makes links, icons and arrows of."""


def agent_client() -> Client:
    """The client of the agent, shared by all browser sessions. It follows the agent when its address changes.

    Raises:
        AgentUnreachable: its address cannot be read.
    """
    client: Client = _client(read_endpoint(dashboard.data_dir()))
    return client


@st.cache_resource(show_spinner=False, max_entries=4, on_release=lambda client: client.close())
def _client(endpoint: Endpoint) -> Client:
    return Client(endpoint, timeout_s=35.0, watched=REQUESTS)


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Show an error state when the agent is not reachable or refuses inside the block.

    Args:
        what: what the block shows, as in "the processes".
    """
    try:
        yield
    except AgentConnecting as error:
        st.session_state.pop(AWAY, None)
        hint = f"{_capital(worded(error.hint))}." if error.hint else ""
        empty_state("Connecting to the agent…", plain(f"{_capital(error.message)}."), hint, icon=":material/sync:")
        _look_again()
    except AgentUnreachable as error:
        since = st.session_state.setdefault(AWAY, time.time())
        error_state(f"The agent is not reachable, so {what} cannot be shown.", error, since=since)
        _look_again()
    except AgentError as error:
        st.session_state.pop(AWAY, None)
        error_state(f"{_capital(what)} cannot be shown.", error)
    else:
        st.session_state.pop(AWAY, None)


@st.fragment(run_every=LOOK_AGAIN_S)
def _look_again() -> None:
    """Retry once a second while the agent is not reachable, and run the page again when it answers."""
    try:
        agent_client().get_json("/v1/status")
    except AgentError:
        return
    st.session_state.pop(AWAY, None)
    st.rerun()


def error_state(title: str, error: MonitorError, *, since: float | None = None) -> None:
    """Show what failed, since when, and what to do.

    Args:
        title: one sentence.
        error: message and hint are shown as plain text.
        since: seconds since the epoch.
    """
    lines = [f"**{title}**", plain(f"{_capital(error.message).rstrip('.')}.")]
    if since is not None:
        lines.append(f"Since {datetime.fromtimestamp(since).astimezone():%H:%M:%S}; retrying every second.")
    if error.hint:
        lines.append(f"What to do: {worded(error.hint.rstrip('.'))}.")
    st.error("  \n".join(lines), icon=":material/error:")


def empty_state(title: str, why: str, action: str = "", *, icon: str = ":material/info:") -> None:
    """Show what is missing, why, and what to do."""
    st.info("  \n".join(part for part in (f"**{title}**", why, action) if part), icon=icon)


def plain(text: str) -> str:
    """Untrusted text for a place that reads Markdown, escaped so that it is shown as it is.

    All characters with a meaning in Markdown are escaped. URLs would still become links, `:material/home:` an icon, and the `--` of a
    command a dash, since Streamlit finds them in the rendered text; so an invisible word joiner breaks them. Control characters become visible signs.
    """
    inert = REPLACED.sub("\\1\u2060", CONTROL.sub(_visible, text))
    return "".join(f"\\{sign}" if sign in MEANING else sign for sign in inert)


def coded(text: str) -> str:
    """Untrusted text as code, such as a command or a path that one copies: all signs stay."""
    shown = ICON.sub(":\u2060", CONTROL.sub(_visible, text))
    mark = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{mark}{space}{shown}{space}{mark}" if shown.strip() else ""


def _visible(match: re.Match[str]) -> str:
    """A sign for a control character; the live parts show the same ones."""
    code = ord(match[0])
    return " " if match[0].isspace() else chr(0x2400 + code) if code < 32 else f"\u2039U+{code:04X}\u203a"


def worded(text: str) -> str:
    """Like `plain`, but text between backticks stays code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return "".join(coded(part) if place % 2 and part.strip() else plain(part) for place, part in enumerate(parts))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def source_names() -> list[str]:
    """Log sources to suggest, those that are written now first. The boxes accept any other name, so without an agent only the suggestions are missing."""
    try:
        found = agent_client().log_sources().sources
    except AgentError:
        return []
    return list(dict.fromkeys(one.source for one in sorted(found, key=lambda one: (one.state != "live", one.source))))
