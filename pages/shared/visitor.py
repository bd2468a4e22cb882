"""The visitor of the page that is being drawn, and what that person may do; checked at every run and every action."""

import contextlib
import os

import streamlit as st

from monitor.core.errors import AgentError, MonitorError
from pages.server.auth import NOBODY_ASKED, Role, SignIn, Visitor
from pages.server.dashboard import CONFIG, DATA_DIR, Dashboard, from_arguments
from pages.shared.agent import agent_client


def current_visitor() -> Visitor | None:
    """The signed-in person, `NOBODY_ASKED` when no sign-in is configured, or None when the sign-in has ended."""
    mode, sign_in = _sign_in(os.environ.get(DATA_DIR, ""), os.environ.get(CONFIG, ""))
    if mode == "none":
        return NOBODY_ASKED
    return sign_in.visitor(st.context.cookies, st.context.headers.get("Host", ""))


def current_role() -> Role:
    """The role of the visitor. After the sign-in has ended it is viewer."""
    visitor = current_visitor()
    return visitor.role if visitor is not None else "viewer"


def may_change() -> bool:
    """Whether the visitor may change anything. Check at the action itself too, not only when its button is drawn."""
    return current_role() == "operator"


def visitor_name() -> str:
    """The visitor's name, for the audit table; empty without a sign-in."""
    visitor = current_visitor()
    return visitor.name if visitor is not None else ""


def operators_only(what: str, action: str = "", target: str = "", *, run: str | None = None) -> AgentError:
    """The error that a visitor without the role gets. The audit table has it, too, unless the agent is away.

    Args:
        what: the refused action, as in "start a benchmark".
        action: what the audit table calls it, such as `process stop`; `what` without it.
        target: what it would have been done to.
        run: the process that it would have been done to.
    """
    error = AgentError(f"only operators can {what}", hint="sign in as an operator")
    with contextlib.suppress(MonitorError):
        agent_client().tell_refused(action or what, target[:200], why=error.message, by=visitor_name(), run=run)
    return error


@st.cache_resource(show_spinner=False, max_entries=4)
def _sign_in(data_dir: str, config: str) -> tuple[str, SignIn]:
    """The sign-in of this dashboard, with the settings from its start."""
    dashboard: Dashboard = from_arguments([], {**os.environ, DATA_DIR: data_dir, CONFIG: config})
    return dashboard.settings.auth.mode, SignIn(dashboard)
