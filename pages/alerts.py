"""Alerts: what fires now, what fired, the rules, and who is notified. A link can begin a new rule: `?new=records&query=…`, `?new=fails&text=…`."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import streamlit as st

from monitor.api_models.events import Alert, AlertRuleInfo, AlertRules, Notifications
from monitor.client.client import Refused
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, error_state, guarded, plain
from pages.shared.alert_form import form, named
from pages.shared.visitor import may_change, operators_only, visitor_name
from pages.ui.header import page_title
from pages.ui.numbers import duration, moment, size, took

LOOK_S: Final = 2.0
RULES_LOOK_S: Final = 5.0
EARLIER_LOOK_S: Final = 10.0
EARLIER: Final = 100
BADGES: Final = {
    "ok": ":green-badge[:material/check_circle: normal]",
    "pending": ":orange-badge[:material/hourglass_top: pending]",
    "firing": ":red-badge[:material/notifications_active: firing]",
    "unknown": ":gray-badge[:material/help: no data]",
    "off": ":gray-badge[:material/notifications_off: off]",
}
FIGURES: Final = {
    "cpu_pct": "CPU",
    "rss": "memory",
    "gpu_mem": "GPU memory",
    "write_bps": "written",
    "threads": "threads",
}
BEFORE: Final = timedelta(minutes=5)
state = st.session_state


def ask(what: str, name: str = "") -> None:
    """Remember what was clicked; the page then opens the dialog, outside the part that refreshes itself."""
    state.alerts_ask = (what, name)


def close() -> None:
    """The dialog was left."""
    state.alerts_ask = state.alerts_open = None
    for param in ("new", "query", "text"):
        st.query_params.pop(param, None)


def go(page: str, **params: str) -> None:
    """Remember where a click leads."""
    state.alerts_go = (page, params)


def value_of(figure: str, value: float) -> str:
    """A reading of a culprit in words."""
    if figure in {"rss", "gpu_mem"}:
        return f"{size(value)} {FIGURES[figure]}"
    if figure == "write_bps":
        return f"{size(value)}/s {FIGURES[figure]}"
    return f"{FIGURES.get(figure, figure)} {value:,.0f}{' %' if figure == 'cpu_pct' else ''}"


def span_of(alert: Alert) -> dict[str, str]:
    """The range of an alert for the address of another page: from some minutes before it to its end."""
    first = datetime.fromtimestamp(alert.started / 1e6, UTC) - BEFORE
    last = datetime.fromtimestamp((alert.ended or time.time_ns() // 1000) / 1e6, UTC) + timedelta(minutes=1)
    return {"range": "custom", "from": first.isoformat(), "to": last.isoformat()}


def about(alert: Alert) -> str:
    """When it fired and what became of it, in one line."""
    if alert.ended is None:
        parts = [f"since {moment(alert.started)} ({duration(time.time() - alert.started / 1e6)})"]
    else:
        parts = [f"{moment(alert.started)}, for {took((alert.ended - alert.started) / 1e6)}", f"over: {alert.why}"]
    if alert.kind != "metric" and alert.count > 1:
        parts.append(f"{alert.count:,} times")
    if alert.acknowledged:
        parts.append(f"noted by {alert.acknowledged_by or 'somebody'}")
    if alert.notified:
        parts.append("notification sent" if alert.notified == "sent" else f"notification: {alert.notified}")
    return plain(" · ".join(parts))


def row(alert: Alert, *, allowed: bool) -> None:
    """One alert with what belongs to it, and where to look further."""
    with st.container(border=True, key=f"alert_{alert.id}"):
        left, right = st.columns([1, 1], vertical_alignment="center")
        sign = BADGES["firing"] if alert.ended is None else ":gray-badge[:material/task_alt: over]"
        left.markdown(f"**{plain(alert.rule.strip())}** {sign}  \n{plain(alert.message)}  \n:gray[{about(alert)}]")
        with right, st.container(horizontal=True, horizontal_alignment="right"):
            if alert.ended is None and not alert.acknowledged:
                st.button("Acknowledge", key=f"note_{alert.id}", icon=":material/done:", disabled=not allowed, on_click=acknowledge, args=(alert.id,), help="It leaves the status line until it fires anew." if allowed else "Only operators can do this.")  # fmt: skip
            if alert.run:
                st.button("Process", key=f"run_{alert.id}", icon=":material/memory:", on_click=go, args=("run.py",), kwargs={"run": alert.run})  # fmt: skip
            logs: dict[str, str] = span_of(alert) | (
                {"query": alert.query} if alert.query else {"levels": "warn,error,fatal"}
            )
            st.button("Records", key=f"logs_{alert.id}", icon=":material/article:", on_click=go, args=("logs.py",), kwargs=logs)  # fmt: skip
            at = datetime.fromtimestamp(alert.started / 1e6, UTC).isoformat()
            st.button("Processes then", key=f"at_{alert.id}", icon=":material/history:", on_click=go, args=("processes.py",), kwargs={"view": "at", "at": at})  # fmt: skip
            st.button("Machine then", key=f"perf_{alert.id}", icon=":material/show_chart:", on_click=go, args=("performance.py",), kwargs=span_of(alert))  # fmt: skip
        if alert.culprits or alert.records:
            evidence(alert)


def evidence(alert: Alert) -> None:
    """Who had most when it fired, and the records that belong to it."""
    with st.expander("Evidence"):
        had = st.container(gap=None)
        for one in alert.culprits:
            words = f"{one.title} (PID {one.pid}): {value_of(one.figure, one.value)}"
            had.button(plain(words), key=f"culprit_{alert.id}_{one.run}", type="tertiary", on_click=go, args=("run.py",), kwargs={"run": one.run})  # fmt: skip
        for record in alert.records:
            head = f"{moment(record.ts)} {(record.level or '').upper()} {record.source}"
            st.code(f"{head}\n{record.message}", language=None, wrap_lines=True)


def acknowledge(alert: str) -> None:
    """Take note; what came of it is shown on the page."""
    if not may_change():
        state.alerts_failed = operators_only("acknowledge alerts")
        return
    try:
        agent_client().alerts.acknowledge(alert, by=visitor_name())
    except AgentError as error:
        state.alerts_failed = error


def followed() -> None:
    """Run the page where a click in a part of it leads elsewhere, opens a dialog or failed."""
    if state.get("alerts_ask") != state.get("alerts_open") or {"alerts_go", "alerts_failed"} & set(state):
        st.rerun()


@st.fragment(run_every=LOOK_S)
def firing() -> None:
    """What fires, looked up again every few seconds. Where the agent does not answer, this part says so for all."""
    followed()
    was_away, state.alerts_away = state.get("alerts_away", False), True
    with guarded("alerts"):
        client = agent_client().alerts
        found, allowed = client.all({"firing": True}, limit=EARLIER), may_change() and not client.rules().read_only
        for alert in found.alerts:
            row(alert, allowed=allowed)
        if not found.alerts:
            st.markdown(":green[:material/check_circle:] **Nothing fires.**")
        now = {alert.id for alert in found.alerts}
        state.alerts_away = False
        if was_away or state.get("alerts_firing", now) != now:  # the other parts look less often
            state.alerts_firing = now
            st.rerun()
        state.alerts_firing = now


@st.fragment(run_every=EARLIER_LOOK_S)
def earlier() -> None:
    """What fired before. Up to a hundred rows with their buttons are drawn only for somebody who opened them."""
    followed()
    if state.alerts_away:
        return
    with guarded("earlier alerts"):
        found = agent_client().alerts.all(limit=EARLIER if state.get("alerts_earlier") else 1)
        total = found.total - found.firing
        if not total:
            return
        box = st.expander("Earlier", key="alerts_earlier", on_change="rerun")  # a label that changed would close it
        if not box.open:
            return
        over = [alert for alert in found.alerts if alert.ended is not None]
        with box:
            if total > len(over):
                st.caption(f"The newest {len(over):,} of {total:,}. All: `watchkeeper alerts list -n {found.total}`")
            for alert in over:
                row(alert, allowed=False)


@st.fragment(run_every=RULES_LOOK_S)
def ruled() -> None:
    """The rules, and who is notified."""
    followed()
    if state.alerts_away:
        return
    with guarded("the rules"):
        found = agent_client().alerts.rules()
        allowed = may_change() and not found.read_only
        st.header("Rules", anchor=False)
        offered = [rule for rule in found.rules if rule.built_in and rule.state == "off"]
        for rule in found.rules:
            if rule not in offered:
                rule_row(rule, allowed=allowed)
        if offered:
            with st.expander("More rules that come with Watchkeeper: switch on what fits"):
                for rule in offered:
                    rule_row(rule, allowed=allowed)
        st.header("Notifications", anchor=False)
        notified(found.notifications, allowed=allowed)


def notified(to: Notifications, *, allowed: bool) -> None:
    """Who is notified, and what became of it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        where = (
            f"Sent to {' and '.join(to.to)}; {to.sent} sent, {to.failed} failed."
            if to.to
            else "Nobody is notified; alerts show on these pages."
        )
        st.markdown(plain(where), width="stretch")
        if to.to:
            st.button("Send a test", key="alert_test", icon=":material/send:", disabled=not allowed, on_click=send_test)
        st.button("Settings", key="alert_settings", icon=":material/settings:", on_click=go, args=("settings.py",), kwargs={"q": "alerts."})  # fmt: skip
    if to.trouble:
        st.warning(plain(f"The last notification was not sent: {to.trouble}."), icon=":material/warning:")


def rule_row(rule: AlertRuleInfo, *, allowed: bool) -> None:
    """One rule with its state and its switch."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"rule_{rule.name}"):
        lines = [
            f"**{plain(rule.name.strip())}** {BADGES[rule.state]}" + (f" :gray[{plain(rule.now)}]" if rule.now else "")
        ]
        lines.append(f":gray[{plain(rule.told)}{' · comes with Watchkeeper' if rule.built_in else ''}]")
        lines += [f":red[{plain(rule.trouble)}]"] if rule.trouble else []
        st.markdown("  \n".join(lines), width="stretch")
        with st.container(
            horizontal=True, vertical_alignment="center", width="content"
        ):  # where it is narrow they go below together
            switches(rule, allowed=allowed)


def switches(rule: AlertRuleInfo, *, allowed: bool) -> None:
    """On or off, and the way to its form."""
    st.toggle("On", value=rule.state != "off", key=f"on_{rule.name}_{rule.state != 'off'}", disabled=not allowed, on_change=switch, args=(rule.name, rule.state == "off"), label_visibility="collapsed")  # fmt: skip
    st.button("Edit", key=f"edit_{rule.name}", icon=":material/edit:", disabled=not allowed, on_click=ask, args=("edit", rule.name))  # fmt: skip


def switch(name: str, on: bool) -> None:  # noqa: FBT001 - the state itself
    """Switch a rule on or off."""
    if wrong := save(name, {"enabled": None if on else False}, new=False):
        state.alerts_failed = AgentError(wrong[0])


def send_test() -> None:
    """Send a notification as a test."""
    if not may_change():
        state.alerts_failed = operators_only("send notifications")
        return
    try:
        to = agent_client().alerts.test(by=visitor_name())
        state.alerts_said = f"Sent to {' and '.join(to.to)}"
    except AgentError as error:
        state.alerts_failed = error


def edit(name: str, rules: AlertRules) -> None:
    """The dialog with the form of a rule, an empty name for a new one."""
    known = next((rule for rule in rules.rules if rule.name == name), None)
    before: dict[str, Any] = dict(known.settings) if known is not None else filled_in()

    def body() -> None:
        wanted, settings = form(before, rules.metrics, new=not name)
        slot = st.container()
        with st.container(horizontal=True):
            keep = st.button("Save", key="save_alert", type="primary", icon=":material/save:")
            removable = known is not None and not known.built_in
            drop = removable and st.button("Remove", key="remove_alert", icon=":material/delete:")
            leave = st.button("Cancel", key="cancel")
        wrong = save(wanted, settings, new=not name) if keep else remove(name) if drop else []
        for text in wrong:
            slot.error(plain(text), icon=":material/error:")
        if leave or ((keep or drop) and not wrong):
            close()
            st.rerun()

    st.dialog(f"Edit {name}" if name else "Add a rule", width="large", on_dismiss=close)(body)()


def filled_in() -> dict[str, Any]:
    """What a link says of a new rule."""
    params = st.query_params
    query, text = params.get("query", "")[:2000], params.get("text", "")[:300]
    quote = re.search(r'"([^"]{3,50})"', query)
    if query:
        return {"records": query, "name": re.sub(r"[^\w .()/:+-]", " ", quote[1]).strip() if quote else ""}
    return {"fails": text, "name": f"{text[:50]} failed"} if text else {}


def save(name: str, settings: dict[str, Any], *, new: bool) -> list[str]:
    """Save the form; answers what is wrong with it."""
    if not may_change():
        return [operators_only("change alerts").message]
    if not name:
        return ["Give it a name."]
    try:
        rules = agent_client().alerts
        if new and any(rule.name == name for rule in rules.rules().rules):
            return [f"There is a rule {name} already; give this one another name."]
        rules.save(name, settings, by=visitor_name())
    except Refused as error:
        return named(name, error.problems) or [error.message]
    except AgentError as error:
        return [error.message]
    state.alerts_said = f"{name}: {'added' if new else 'saved'}"
    return []


def remove(name: str) -> list[str]:
    """Remove a rule; answers what prevents that."""
    if not may_change():
        return [operators_only("remove alerts").message]
    try:
        agent_client().alerts.remove(name, by=visitor_name())
    except AgentError as error:
        return [error.message]
    state.alerts_said = f"{name}: removed"
    return []


def asked() -> None:
    """Open what was clicked, or what a link asks for."""
    if "alerts_go" in state:
        page, params = state.pop("alerts_go")
        st.switch_page(page, query_params=params)
    if "new" in st.query_params and not state.get("alerts_ask"):
        ask("add")
    what, name = state.get("alerts_ask") or ("", "")
    if not what:
        return
    state.alerts_open = state.alerts_ask
    with guarded("alerts"):
        edit(name, agent_client().alerts.rules())


def add_button() -> None:
    """The button at the right end of the title."""
    st.button("Add rule", key="add_alert", icon=":material/add_alert:", disabled=not may_change(), on_click=ask, args=("add",))  # fmt: skip


page_title("Alerts", actions=add_button)
failed = state.pop("alerts_failed", None)
if failed is not None:
    error_state("That did not work.", failed)
said = state.pop("alerts_said", "")
if said:
    st.success(plain(said), icon=":material/check_circle:")
asked()
firing()
earlier()
ruled()
