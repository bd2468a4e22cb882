"""The form of a service: its fields, what they give as settings, and where a problem belongs."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from monitor.api_models.services import Service
from monitor.config.services import STOP_SIGNALS, typed

RESTARTS: Final = {
    "on-failure": "When it fails",
    "always": "Always",
    "never": "Never",
}
READY: Final = {
    "": "Once it has started",
    "port": "When a port is open",
    "http": "When an address answers",
    "command": "When a command succeeds",
    "log": "When a line of its output matches",
}
LIVENESS: Final = {
    "": "When it ends",
    "port": "Also when a port is not open any more",
    "http": "Also when an address does not answer any more",
    "command": "Also when a command does not succeed any more",
}
LIVENESS_HELP: Final = "Checked every 10 s while it runs; three failed checks in a row count as a failure. The settings file has other times."
WHAT: Final = {"port": "Port", "http": "Address", "command": "Shell command", "log": "Regular expression"}
EXAMPLES: Final = {
    "port": "8000",
    "http": "http://127.0.0.1:8000/health",
    "command": "test -e /run/app.ready",
    "log": "listening on",
}


LABELS: Final = {
    "name": "Name",
    "command": "Command",
    "directory": "Working directory",
    "restart": "Restart",
    "schedule": "Schedule",
    "environment": "Environment",
    "ready": "It counts as running",
    "liveness": "It is restarted",
    "depends_on": "Starts after",
    "stop_signal": "Stop signal",
    "stop_grace_s": "Seconds until SIGKILL",
}
"""What the fields of the form are called there."""


def named(name: str, problems: Mapping[str, str]) -> list[str]:
    """Problems of a service, by the names of the fields where they belong."""
    found = []
    for key, text in problems.items():
        field = key.removeprefix(f"service.{name}.").partition(".")[0]
        said = text.removeprefix(f"service {name}: ")
        found.append(LABELS[field] + said.removeprefix(field) if field in LABELS and said.startswith(field) else said)
    return found


def form(before: Mapping[str, Any], others: list[Service], *, new: bool) -> tuple[str, dict[str, Any]]:
    """Draw the fields; answers the name, and the settings that differ from `before` (None for a default).

    Args:
        before: the settings as the agent gives them; empty for a new service.
        others: the other services, for dependencies.
        new: whether it is to be added.
    """
    name = st.text_input(LABELS["name"], before.get("name", ""), key="svc_name", disabled=not new, placeholder="api", max_chars=63)  # fmt: skip
    command = st.text_input(
        LABELS["command"],
        _line(before.get("command", "")),
        key="svc_command",
        placeholder="python -m http.server 8000",
        help="Program and arguments. No shell reads them; write sh -c '…' where you need one. Secrets are hidden: to change the command, write all of it.",
    )
    directory = st.text_input(LABELS["directory"], before.get("directory", "~"), key="svc_directory")
    left, right = st.columns(2)
    with left:
        rules = list(RESTARTS)
        rule = st.selectbox(LABELS["restart"], rules, rules.index(before.get("restart", "on-failure")), key="svc_restart", format_func=RESTARTS.__getitem__)  # fmt: skip
    with right:
        schedule = st.text_input(LABELS["schedule"], before.get("schedule", ""), key="svc_schedule", placeholder="0 3 * * *", help="Minute, hour, day, month, day of week, in local time. Empty: it is kept running.")  # fmt: skip
    variables = st.text_area(
        LABELS["environment"],
        "\n".join(before.get("environment", {})),
        key="svc_environment",
        height=92,
        placeholder="NAME=VALUE, one per line",
        help="Values that are set are not shown. A line with a name alone keeps its value.",
    )
    ready = _check(before, "ready", LABELS["ready"], READY)
    liveness = _check(before, "liveness", LABELS["liveness"], LIVENESS, LIVENESS_HELP)
    names = [other.name for other in others if other.name != name and not other.schedule]
    needs = st.multiselect(LABELS["depends_on"], names, [one for one in before.get("depends_on", []) if one in names], key="svc_needs")  # fmt: skip
    with st.expander("Stopping and starting"):
        autostart = st.toggle("Start with Watchkeeper", before.get("autostart", True), key="svc_autostart")
        number = STOP_SIGNALS.index(before.get("stop_signal", "TERM"))
        stop = st.selectbox(
            LABELS["stop_signal"], STOP_SIGNALS, number, key="svc_signal", format_func=lambda one: f"SIG{one}"
        )
        grace = st.number_input(LABELS["stop_grace_s"], 0.0, 3600.0, float(before.get("stop_grace_s", 10.0)), key="svc_grace")  # fmt: skip
    given: dict[str, Any] = {
        "command": command.strip(),
        "directory": directory.strip() or "~",
        "restart": rule,
        "schedule": schedule.strip(),
        "environment": dict(_variable(line) for line in variables.splitlines() if line.strip()),
        "ready": ready,
        "liveness": liveness,
        "depends_on": needs,
        "autostart": autostart,
        "stop_signal": stop,
        "stop_grace_s": grace,
    }
    return name.strip(), changed(before, given)


DEFAULTS: Final[dict[str, Any]] = {
    "directory": "~",
    "restart": "on-failure",
    "schedule": "",
    "environment": {},
    "ready": None,
    "liveness": None,
    "depends_on": [],
    "autostart": True,
    "stop_signal": "TERM",
    "stop_grace_s": 10.0,
}


def changed(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What the form gives that differs from the settings: None where it is the default."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        standard = DEFAULTS.get(key)
        old = _line(before.get(key, "")) if key == "command" else before.get(key, standard)
        if value != old:
            found[key] = None if key in DEFAULTS and value == standard else value
    return found


def _line(command: str | list[str]) -> str:
    return command if isinstance(command, str) else typed(command)


def _variable(line: str) -> tuple[str, str | None]:
    """Name and value of a line; None keeps the value that is set."""
    name, sign, value = line.partition("=")
    return name.strip(), value.strip() if sign else None


def _check(
    before: Mapping[str, Any],
    key: str,
    label: str,
    kinds: Mapping[str, str],
    help: str | None = None,  # noqa: A002 - Streamlit's word
) -> dict[str, Any] | None:
    """A check by port, address, command or line: its kind, and what is checked. What else the settings say of it stays."""
    set_now = before.get(key) or {}
    names = list(kinds)
    kind = next((one for one in names if set_now.get(one)), "")
    chosen = st.selectbox(label, names, names.index(kind), key=f"svc_{key}", format_func=kinds.__getitem__, help=help)
    if not chosen:
        return None
    what = st.text_input(WHAT[chosen], set_now.get(chosen) or "", key=f"svc_{key}_{chosen}", placeholder=EXAMPLES[chosen])  # fmt: skip
    return {**{name: value for name, value in set_now.items() if name not in names}, chosen: what.strip()}
