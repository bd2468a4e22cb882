"""Services: commands that are kept running: their states, starting and stopping them, adding and changing them."""

import time
from collections import Counter
from typing import Any, Final

import streamlit as st

from monitor.api_models.services import OVER, Service, Services
from monitor.client.client import Refused
from monitor.core.errors import AgentError
from monitor.core.exit_words import failed as failed_end
from pages.shared.agent import agent_client, coded, empty_state, error_state, guarded, plain
from pages.shared.service_form import form, named
from pages.shared.visitor import may_change, operators_only, visitor_name
from pages.ui.choice import choice, chosen_of
from pages.ui.header import page_title
from pages.ui.numbers import duration, spoken

LOOK_S: Final = 2.0
FEW: Final = 8
"""Services that one sees without a choice of them."""
SHOW: Final = {"all": "All", "not": "Not running"}
WELL: Final = frozenset({"running", "exited", "scheduled"})
STATES: Final = {"exited": "done", "backoff": "about to start again"}
"""States in words, where the word is another one."""
BADGES: Final = {
    "running": ":green-badge[:material/check_circle: running]",
    "exited": ":gray-badge[:material/task_alt: done]",
    "scheduled": ":blue-badge[:material/schedule: scheduled]",
    "waiting": ":orange-badge[:material/hourglass_empty: waiting]",
    "starting": ":orange-badge[:material/hourglass_top: starting]",
    "stopping": ":orange-badge[:material/hourglass_bottom: stopping]",
    "backoff": ":red-badge[:material/replay: failed, starts again]",
    "failed": ":red-badge[:material/error: failed]",
    "stopped": ":gray-badge[:material/stop_circle: stopped]",
}
LAST_FAILED: Final = ":red-badge[:material/error: last run failed]"
UP: Final = frozenset({"running", "starting", "backoff", "waiting"})
ICONS: Final = {"start": ":material/play_arrow:", "stop": ":material/stop:", "restart": ":material/restart_alt:"}
EXAMPLE: Final = """[[service]]
name = "api"
command = "uvicorn shop.app:app --port 8000"
directory = "~/shop"
restart = "always"
"""
WHY_NOT: Final = {False: "Only operators can do this.", True: "Actions are switched off."}
"""Why a button is switched off, by whether the visitor is an operator."""
RESTARTS_LATER: Final = "It is running. Start with Watchkeeper, Starts after and Schedule take effect at once; everything else when it is restarted."
state = st.session_state


def about(service: Service) -> str:
    """What is worth knowing of a service, in one line."""
    parts = []
    if service.state == "running" and service.started:
        parts.append(f"up {duration(time.time() - service.started / 1e6)}")
    if service.reason and service.state != "running":
        parts.append(service.reason)
    if service.state in OVER and service.started and service.since:
        parts.append(f"since {spoken(service.since)}")
    if service.restarts:
        parts.append(f"restarted {service.restarts} {'time' if service.restarts == 1 else 'times'}")
    if service.state == "scheduled" and service.started and service.ended_with:
        parts.append(f"last run {spoken(service.started)}: {service.ended_with}")
    elif service.ended_with and service.ended_with not in service.reason:
        parts.append(f"last end: {service.ended_with}")
    if service.last_error:
        parts.append(service.last_error)
    if service.next_start:
        parts.append(f"starts again in {duration(max(0.0, service.next_start / 1e6 - time.time()))}")
    if service.next_run:
        parts.append(f"next run {spoken(service.next_run)}")
    return plain(" · ".join([*parts, *troubles(service)]))


def troubles(service: Service) -> list[str]:
    """What somebody may want to do something about."""
    checks = "check" if service.unanswered == 1 else "checks"
    told = {
        f"liveness: {service.unanswered} {checks} failed": service.unanswered > 0,
        "settings changed: a restart applies them": service.changed,
        "no longer in the settings": not service.configured,
        f"{service.output_lost:,} bytes of its output could not be written": service.output_lost > 0,
    }
    return [text for text, applies in told.items() if applies]


def last_failed(service: Service) -> bool:
    """Whether it waits for its next run after one that failed."""
    return service.state == "scheduled" and bool(failed_end(service.exit_code, service.exit_signal, None))


def ask(what: str, name: str) -> None:
    """Remember what was clicked; the page then opens the dialog, outside the part that refreshes itself."""
    state.services_ask = (what, name)


def close() -> None:
    """The dialog was left."""
    state.services_ask = state.services_open = None


def go(page: str, **params: str) -> None:
    """Remember where a click leads."""
    state.services_go = (page, params)


def row(service: Service, *, allowed: bool) -> None:
    """One service with its buttons."""
    name = service.name
    with st.container(border=True, key=f"service_{name}"):
        left, right = st.columns([1, 1], vertical_alignment="center")
        with left:
            badges = BADGES[service.state] + (f" {LAST_FAILED}" if last_failed(service) else "")
            lines = [f"**{plain(name)}** {badges}", about(service) or "not started yet"]
            lines += [coded(service.command)] if service.command else []
            st.markdown("  \n".join(lines))
        with right, st.container(horizontal=True, horizontal_alignment="right"):
            for action in ("stop", "restart") if service.state in UP else ("start",):
                label = action.capitalize()
                st.button(label, key=f"{action}_{name}", icon=ICONS[action], disabled=not allowed, on_click=ask, args=(action, name), help=None if allowed else WHY_NOT[may_change()])  # fmt: skip
            st.button("Logs", key=f"logs_{name}", icon=":material/article:", on_click=go, args=("logs.py",), kwargs={"source": service.source})  # fmt: skip
            if service.last_run:
                label = "Process" if service.run else "Last process"
                st.button(label, key=f"run_{name}", icon=":material/memory:", on_click=go, args=("run.py",), kwargs={"run": service.last_run})  # fmt: skip
            if service.configured:
                st.button("Edit", key=f"edit_{name}", icon=":material/edit:", disabled=not allowed, on_click=ask, args=("edit", name))  # fmt: skip


@st.fragment(run_every=LOOK_S)
def listed() -> None:
    """All services, looked up again every few seconds."""
    if state.get("services_ask") != state.get("services_open") or "services_go" in state:
        st.rerun()
    with guarded("services"):
        found = agent_client().services.all()
        if found.trouble:
            st.warning(plain(f"{found.trouble}."), icon=":material/warning:")
        if found.read_only:
            st.info("Actions are switched off. The setting `actions.read_only` switches them on.", icon=":material/lock:")  # fmt: skip
        for service in narrowed(found.services):
            row(service, allowed=may_change() and not found.read_only)
        if not found.services:
            nothing(found)


def narrowed(services: list[Service]) -> list[Service]:
    """Those to show. Many have a line that counts them, and a choice of those that do not run."""
    if len(services) <= FEW:
        return services
    counts = Counter(STATES.get(one.state, one.state) for one in services)
    with st.container(horizontal=True, vertical_alignment="center", key="services_filter"):
        shown = chosen_of("show", SHOW)
        choice("Which services", "show", SHOW, shown, key="services_show")
        st.caption(" · ".join(f"{counts[name]} {name}" for name in sorted(counts, key=lambda name: -counts[name])))
    found = [one for one in services if shown == "all" or one.state not in WELL or last_failed(one)]
    if not found:
        st.caption("Every service is running, is scheduled or is done.")
    return found


def nothing(found: Services) -> None:
    """What to do where there is no service."""
    if not found.available:
        empty_state("Services need Linux.", "This system has a service manager of its own.")
        return
    st.markdown("**No services yet.**")
    st.markdown(
        "A service is a command that Watchkeeper keeps running: it is started with the machine's watch, restarted when it fails, and its "
        "output is read as a log. Add one with the button above, with `watchkeeper service add NAME -- COMMAND`, or in the settings file:"
    )
    st.code(EXAMPLE, language=None)


def consequences(action: str, service: Service) -> list[str]:
    """What an action does, as sentences."""
    what = f"process {service.pid}" if service.pid else "its process"
    needed = f"Services that depend on it: {', '.join(service.needed_by)}." if service.needed_by else ""
    if action == "start":
        needs = f"It starts {', '.join(service.depends_on)} first, if needed." if service.depends_on else ""
        return [f"Runs {coded(service.command)} in {coded(service.directory)}.", needs]
    gone = f"Asks {what} to end, then ends everything below it, until none of it is left."
    if action == "stop":
        return [gone, "It stays stopped until somebody starts it.", needed]
    return [gone, "Then starts it with its settings as they are now.", needed]


def confirm(action: str, service: Service) -> None:
    """The dialog that names what will happen."""

    def body() -> None:
        for line in consequences(action, service):
            if line:
                st.markdown(line)
        with st.container(horizontal=True):
            if st.button(f"{action.capitalize()} {service.name}", key="confirm", type="primary", icon=ICONS[action]):
                act(action, service.name)
                close()
                st.rerun()
            if st.button("Cancel", key="cancel"):
                close()
                st.rerun()

    st.dialog(f"{action.capitalize()} {service.name}?", on_dismiss=close)(body)()


def act(action: str, name: str) -> None:
    """Do it; what came of it is shown on the page."""
    if not may_change():
        state.services_failed = operators_only(f"{action} services", f"service {action}", name)
        return
    try:
        done = getattr(agent_client().services, action)(name, by=visitor_name())
        state.services_said = f"{name}: {done.state}{f' ({done.reason})' if done.reason else ''}"
    except AgentError as error:
        state.services_failed = error


def edit(name: str, found: Services) -> None:
    """The dialog with the form of a service, an empty name for a new one."""
    known = agent_client().services.one(name) if name else None
    before: dict[str, Any] = known.settings if known is not None else {}
    runs = known is not None and known.service.state in UP

    def body() -> None:
        if runs:
            st.info(RESTARTS_LATER, icon=":material/restart_alt:")
        wanted, settings = form(before, found.services, new=not name)
        slot = st.container()
        with st.container(horizontal=True):
            keep = st.button("Save", key="save_service", type="primary", icon=":material/save:")
            again = runs and st.button("Save and restart", key="save_restart_service", icon=ICONS["restart"])
            why = "Stops it, and removes it from the settings."
            drop = name and st.button("Remove", key="remove_service", icon=":material/delete:", help=why)
            leave = st.button("Cancel", key="cancel")
        wrong = save(wanted, settings, new=not name) if keep or again else remove(name) if drop else []
        for text in wrong:
            slot.error(plain(text), icon=":material/error:")
        if again and not wrong:
            act("restart", name)
        if leave or ((keep or again or drop) and not wrong):
            close()
            st.rerun()

    st.dialog(f"Edit {name}" if name else "Add a service", width="large", on_dismiss=close)(body)()


def save(name: str, settings: dict[str, Any], *, new: bool) -> list[str]:
    """Save the form; answers what is wrong with it."""
    if not may_change():
        return [operators_only("change services", f"service {'add' if new else 'change'}", name).message]
    if not name:
        return ["Give it a name."]
    try:
        saved = agent_client().services.save(name, settings, by=visitor_name(), new=new)
    except Refused as error:
        return named(name, error.problems) or [error.message]
    except AgentError as error:
        return [error.message]
    later = "; a restart applies the change" if saved.changed else ""
    state.services_said = f"{name}: {'added' if new else 'saved'}{later}"
    return []


def remove(name: str) -> list[str]:
    """Remove a service; answers what prevents that."""
    if not may_change():
        return [operators_only("remove services", "service remove", name).message]
    try:
        agent_client().services.remove(name, by=visitor_name())
    except AgentError as error:
        return [error.message]
    state.services_said = f"{name}: removed"
    return []


def asked() -> None:
    """Open what was clicked."""
    if "services_go" in state:
        page, params = state.pop("services_go")
        st.switch_page(page, query_params=params)
    what, name = state.get("services_ask") or ("", "")
    if not what:
        return
    state.services_open = state.services_ask
    with guarded("services"):
        found = agent_client().services.all()
        service = next((one for one in found.services if one.name == name), None)
        if what in {"add", "edit"}:
            edit(name, found)
        elif service is not None:
            confirm(what, service)


def add_button() -> None:
    """The button at the right end of the title."""
    st.button("Add service", key="add_service", icon=":material/add:", disabled=not may_change(), on_click=ask, args=("add", ""))  # fmt: skip


page_title("Services", actions=add_button)
failed = state.pop("services_failed", None)
if failed is not None:
    error_state("That did not work.", failed)
said = state.pop("services_said", "")
if said:
    st.success(plain(said), icon=":material/check_circle:")
asked()
listed()
