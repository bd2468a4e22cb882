"""The card of the connections and listening ports of a process. They are read when the page is opened, and when somebody asks again."""

from typing import Any

import streamlit as st

from monitor.api_models.processes import Connection, Connections
from monitor.client.client import Refused
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client
from pages.ui import components
from pages.ui.numbers import count, size

SHOWN = 30
NOT_FOUND = 404


@st.fragment
def connections_card(run: str) -> None:
    """What a running process is connected to; nothing once it has ended, as the rest of the page says that.

    Args:
        run: the process.
    """
    try:
        found = agent_client().run_connections(run)
    except AgentError as error:  # the rest of the page lives
        if isinstance(error, Refused) and error.status == NOT_FOUND:
            return
        components.facts("Network", [("Connections", f"They could not be read: {error.message}.")], key="connections")
    else:
        components.facts("Network", rows_of(found), key="connections")
    st.button("Read again", icon=":material/refresh:", key="connections_again", type="tertiary")


def rows_of(found: Connections) -> list[tuple[str, Any]]:
    """The rows of the card."""
    missing = [("Not all", {"text": found.note, "sign": "warn"})] if found.note else []
    if found.note and not found.total:
        return [("Connections", {"text": found.note, "sign": "warn"})]
    listening = [f"{one.protocol} {one.local}" for one in found.listening]
    connected = [connection(one) for one in found.connections]
    others = [("Other sockets", f"{count(found.local_sockets)} of this machine alone")] if found.local_sockets else []
    return [
        ("Listens on", shortened(listening) or "no port"),
        ("Connected to", shortened(connected) or "nothing"),
        *others,
        *missing,
        ("Bytes", found.traffic),
    ]


def connection(one: Connection) -> str:
    """One connection in a line."""
    known = one.sent_bytes is not None or one.received_bytes is not None
    moved = f" · sent {size(one.sent_bytes)}, received {size(one.received_bytes)}" if known else ""
    return f"{one.remote} from {one.local} ({one.protocol}, {one.state}){moved}"


def shortened(lines: list[str]) -> list[str]:
    """The first lines, and how many there are more."""
    more = [f"and {count(len(lines) - SHOWN)} more"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more]
