"""Actions on one process: buttons, and a dialog that names the process before anything is done."""

import time
from typing import Any, Final

import streamlit as st

from monitor.api_models.processes import Run
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, coded, error_state, plain
from pages.shared.visitor import current_visitor, may_change, operators_only
from pages.ui.numbers import duration

ACTIONS: Final = {
    "stop": ("Stop", ":material/stop:", "Asks it to end (SIGTERM). It may save its work first, or ignore the request."),
    "kill": ("Kill", ":material/dangerous:", "Ends it at once (SIGKILL). Unsaved work is lost."),
    "signal": ("Signal", ":material/bolt:", "Sends a signal. What it does is the program's own decision."),
    "renice": ("Priority", ":material/speed:", "Gives it more or less CPU time while the machine is busy."),
}
TITLES: Final = {"signal": "Send a signal to this process?", "renice": "Change the priority of this process?"}
BUTTONS: Final = {"signal": "Send signal", "renice": "Set priority"}
SIGNALS: Final = ("HUP", "INT", "USR1", "USR2", "STOP", "CONT", "QUIT", "WINCH")
state = st.session_state


def process_actions(run: Run) -> None:
    """The buttons, what came of the last action, and the dialog of a click."""
    said, failed = state.pop("acted", ""), state.pop("act_failed", None)
    if failed is not None:
        error_state("That did not work.", failed)
    if said:
        st.success(plain(said), icon=":material/check_circle:")
    wanted, whose = state.get("act_ask") or ("", "")
    if run.end_ts is not None and whose == run.run:
        _ask()
        st.info(f"It has ended meanwhile: nothing to {wanted}." if wanted in {"stop", "kill"} else "It has ended meanwhile.", icon=":material/info:")  # fmt: skip
    if run.end_ts is not None or run.kernel_thread:
        return
    why = None if may_change() else "Only operators can do this."
    if run.untouchable is not None:
        why = f"{run.untouchable[0].upper()}{run.untouchable[1:]}."
    with st.container(horizontal=True, key="process_actions"):
        for action, (label, icon, _) in ACTIONS.items():
            st.button(label, key=f"act_{action}", icon=icon, disabled=why is not None, help=why, on_click=_ask, args=(action, run.run))  # fmt: skip
    if wanted in ACTIONS and whose == run.run:
        _dialog(wanted, run)


def _ask(action: str = "", run: str = "") -> None:
    """A click on an action of a run; without one, the dialog was left."""
    state.act_ask = action, run


def about(run: Run) -> str:
    """Command, age and children of a process, as Markdown."""
    age = duration(time.time() - run.start_ts / 1e6) if run.start_ts else "unknown"
    children = len(run.children)
    count = "no children" if not children else "1 child" if children == 1 else f"{children} children"
    owner = f"of {plain(run.user)}, " if run.user else ""
    return f"{coded((run.cmdline or run.name)[:300])}  \nProcess **{run.pid}** {owner}running for {age}, {count}."


def _dialog(action: str, run: Run) -> None:
    label, icon, meaning = ACTIONS[action]

    def body() -> None:
        st.markdown(about(run))
        st.markdown(meaning)
        if run.children and action in {"stop", "kill"}:
            st.caption("Its children are not signalled. Some end with their parent, others go on.")
        more: dict[str, Any] = {}
        if action == "signal":
            more["signal"] = st.selectbox("Signal", SIGNALS, key="act_which", format_func=lambda one: f"SIG{one}")
        if action == "renice":
            more["nice"] = int(st.slider("Priority: -20 takes the most CPU time, 19 the least", -20, 19, 10, key="act_nice"))  # fmt: skip
        with st.container(horizontal=True):
            if st.button(BUTTONS.get(action, f"{label} {run.pid}"), key="act_confirm", type="primary", icon=icon):
                _act(action, run, more)
                _ask()
                st.rerun()
            if st.button("Cancel", key="act_cancel"):
                _ask()
                st.rerun()

    st.dialog(TITLES.get(action, f"{label} this process?"), on_dismiss=_ask)(body)()


def _act(action: str, run: Run, more: dict[str, Any]) -> None:
    if not may_change():
        state.act_failed = operators_only("act on processes", f"process {action}", run=run.run)
        return
    visitor = current_visitor()
    try:
        done = agent_client().services.act_on(run.run, action, by=visitor.name if visitor else "", **more)
    except AgentError as error:
        state.act_failed = error
    else:
        state.acted = f"Process {done.pid}: {done.said}."
