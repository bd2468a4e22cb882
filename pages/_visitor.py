"""Who looks at the page that is being drawn, for pages: asked anew at every run and at every action."""

import os

import streamlit as st

from pages._auth import NOBODY_ASKED, Role, SignIn, Visitor
from pages._dashboard import CONFIG, DATA_DIR, Dashboard, from_arguments


def current_visitor() -> Visitor | None:
    """The signed-in person, `NOBODY_ASKED` where nobody has to sign in, or None when the sign-in has ended."""
    mode, sign_in = _sign_in(os.environ.get(DATA_DIR, ""), os.environ.get(CONFIG, ""))
    if mode == "none":
        return NOBODY_ASKED
    return sign_in.visitor(st.context.cookies, st.context.headers.get("Host", ""))


def current_role() -> Role:
    """What the visitor may do; a sign-in that has ended leaves only looking."""
    visitor = current_visitor()
    return visitor.role if visitor is not None else "viewer"


def may_change() -> bool:
    """Whether the visitor may change anything; ask again at the action itself, not only when drawing its button."""
    return current_role() == "operator"


@st.cache_resource(show_spinner=False, max_entries=4)
def _sign_in(data_dir: str, config: str) -> tuple[str, SignIn]:
    """The sign-in of this process's settings; its settings count from the start of the dashboard."""
    dashboard: Dashboard = from_arguments([], {**os.environ, DATA_DIR: data_dir, CONFIG: config})
    return dashboard.settings.auth.mode, SignIn(dashboard)
