"""The gateway: switched on or off, the address to paste, the keys of programs, and who uses which model."""

import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Final

import streamlit as st

from monitor.api_models.gateway import (
    WHAT,
    Budget,
    GatewayCalls,
    GatewayCurrent,
    GatewayKey,
    GatewayStatus,
    GatewayUsage,
    Span,
)
from monitor.core.errors import AgentError
from pages.ai_parts.engine_card import Colour
from pages.ai_parts.gateway_texts import texts
from pages.shared.agent import agent_client, error_state, guarded, plain, worded
from pages.shared.engine_names import name_of
from pages.shared.visitor import may_change, operators_only
from pages.ui.numbers import NONE, clock, count, duration, moment, size
from pages.ui.question import answered, question

NOW_S: Final = 3.0
START_S: Final = 1.0
SHOWN: Final = 12
DAY_S: Final = 86_400
LONG_S: Final = 10.0
_STATES: Final[dict[str, tuple[Colour, str, str]]] = {
    "running": ("green", ":material/check_circle:", "running"),
    "starting": ("blue", ":material/hourglass_top:", "starting"),
    "down": ("red", ":material/error:", "not running"),
    "off": ("gray", ":material/power_settings_new:", "off"),
}
_PHASES: Final = {
    "waiting": "waits for its turn",
    "asking": "waits for the first byte",
    "answering": "is being answered",
}


@st.fragment
def gateway() -> None:
    """The section: switch and state, address and keys; below them what is going on, which refreshes by itself."""
    with guarded("the gateway"):
        _refused()
        found = agent_client().gateway.status()
        _head(found)
        if found.enabled:
            if found.address is None:
                _wait_for_it(found.state)
            _address(found)
            _keys(found)
            _usage()
        if found.enabled or found.texts.calls:
            texts(found.texts)


@st.fragment(run_every=START_S)
def _wait_for_it(state: str) -> None:
    """Draw the page again once the gateway runs, or says why it does not."""
    if agent_client().gateway.status().state != state:
        st.rerun()


def _head(found: GatewayStatus) -> None:
    """State, switch, and what the gateway is."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.header("Gateway", anchor="gateway", width="content")
            colour, icon, word = _STATES[found.state]
            st.badge(word, icon=icon, color=colour)
        st.session_state.gateway_on = found.enabled  # whoever switched it, here or elsewhere
        st.toggle(
            "Switched on",
            key="gateway_on",
            on_change=_switch,
            disabled=not may_change(),
            help="Opens a port on this machine only." if may_change() else "Only operators can switch it.",
        )
    if found.message and found.state == "down":
        st.error(f"{worded(found.message[:1].upper() + found.message[1:])}. Choose another port in *Settings*, group *Gateway*.", icon=":material/error:")  # fmt: skip
    if not found.enabled:
        st.markdown(
            "One address for every program that asks a model. It speaks OpenAI's and Ollama's API, lets the fastest engine answer, goes to the next one "
            "when an engine fails, and records which program used which model, how much and how fast. Prompts and answers are not kept unless you say so."
        )


def _address(found: GatewayStatus) -> None:
    """What to paste into a program, and which engine it gets."""
    if found.address is None:
        st.caption("The address appears when the gateway runs.")
        return
    left, right = st.columns(2)
    with left:
        st.caption("OpenAI's API: base URL")
        st.code(f"{found.address}/v1", language=None)
    with right:
        st.caption("Ollama's API: host")
        st.code(found.address, language=None)
    first = next((engine for engine in found.engines if engine.model), None)
    names = sorted({model for engine in found.engines for model in engine.models} - {"auto"})
    said = "The model `auto` is answered by the engine that the policy chooses"
    said += f", now **{plain(first.name)}** with {plain(first.model)}." if first is not None else "; none can chat now."
    more = (
        f" Or name a model ({', '.join(plain(name) for name in names[:6])}{', …' if len(names) > 6 else ''}) or an engine."
        if names
        else ""
    )
    st.markdown(said + more)
    if any(engine.label.startswith("Ollama") for engine in found.engines):
        st.caption("Through OpenAI's API, Ollama loads a model anew that has another context than Ollama's default. Through its own API a program can name `num_ctx`.")  # fmt: skip
    for engine in found.engines:
        if engine.resting:
            st.caption(f":orange[{plain(engine.name)} is left alone for a moment: {plain(engine.resting)}]")
    for name, why in found.excluded.items():
        st.caption(f"{plain(name)} is not used: {plain(why)}.")


def _keys(found: GatewayStatus) -> None:
    """Keys, and the form that makes one."""
    made = st.session_state.get("gateway_made")
    if made is not None:
        st.success(f"Key for **{plain(made[0])}**. Copy it now: it is not shown again.", icon=":material/key:")
        st.code(made[1], language=None)
        st.button("I have copied it", key="gateway_copied", icon=":material/check:", on_click=_forget_key)
    with st.expander(
        _about_keys(found), icon=":material/key:", key="gateway_keys", expanded=not found.keys and found.require_key
    ):
        if found.keys:
            heads = ["| Key | Made | Last used | Calls | Today | This month |", "|:--|:--|:--|--:|:--|:--|"]
            rows = [*heads, *map(_key_row, found.keys)]
            st.markdown("\n".join(rows))
        if not may_change():
            st.caption("Only operators can make and remove keys.")
            return
        form = st.form("gateway_new_key", border=False, clear_on_submit=True)
        with form, st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Program", key="gateway_key_name", max_chars=40, placeholder="notebook", width=260)
            st.form_submit_button("Make a key", key="gateway_make_key", icon=":material/add:", on_click=_make_key)
        if found.keys:
            with st.container(horizontal=True, vertical_alignment="bottom"):
                name = st.selectbox("Key", [key.name for key in found.keys], key="gateway_key_gone", width=260)
                with question("Remove", "gateway_ask_remove", icon=":material/delete:"):
                    st.markdown(f"Programs that use the key **{plain(name)}** are refused from then on.")
                    st.button("Remove the key", key="gateway_remove_key", type="primary", on_click=answered, args=("gateway_ask_remove", _remove_key, name))  # fmt: skip
                _budget(next((key for key in found.keys if key.name == name), None))


def _budget(key: GatewayKey | None) -> None:
    """The form that limits what a key may use."""
    if key is None:
        return
    with question("Budget", "gateway_ask_budget", icon=":material/speed:"):
        st.markdown(f"What programs with the key **{plain(key.name)}** may use. Leave a field empty to set no limit.")
        with st.form(f"gateway_budget_{key.name}", border=False):
            for field in fields(Budget):
                what, _, span = field.name.partition("_")
                place = f"gateway_{field.name}_{key.name}"
                if place not in st.session_state:  # not as `value`: a field with one cannot be emptied
                    st.session_state[place] = getattr(key.budget, field.name)
                st.number_input(f"{what.capitalize()} a {span}", min_value=0, value=None, step=1, key=place)
            st.form_submit_button(
                "Set the budget",
                key="gateway_set_budget",
                on_click=answered,
                args=("gateway_ask_budget", _set_budget, key.name),
            )
        st.caption("A key that has used it up is answered 429 until the next day or month begins.")


def _about_keys(found: GatewayStatus) -> str:
    keys = f"{len(found.keys)} key{'' if len(found.keys) == 1 else 's'}"
    if found.require_key:
        return f"{keys}. A program needs one." if found.keys else "A program needs a key. Make the first one."
    return f"{keys}. Programs without a key are answered too."


def _key_row(key: GatewayKey) -> str:
    spent = f" :orange[{plain(key.spent)}]" if key.spent else ""
    return (
        f"| {plain(key.name)}{spent} | {moment(key.created)} | {moment(key.last_used)} | {count(key.calls)} "
        f"| {_used(key, 'day')} | {_used(key, 'month')} |"
    )


def _used(key: GatewayKey, span: Span) -> str:
    """What a key has used, with its limits."""
    said = []
    for what in WHAT:
        used, limit = key.used.of(what, span) if key.used is not None else 0, key.budget.of(what, span)
        if used or limit is not None:
            said.append(f"{count(used)}{f' of {count(limit)}' if limit is not None else ''} {what}")
    return ", ".join(said) or NONE


@st.fragment(run_every=NOW_S)
def _usage() -> None:
    """What is under way, and what the last day's calls took."""
    with guarded("the calls through the gateway"):
        found = agent_client().gateway.status()
        calls = agent_client().gateway.calls(SHOWN, since_s=DAY_S)
        facts = [
            f"**{found.active}** under way",
            f"**{found.waiting}** waiting",
            f"{count(found.answered)} answered since its start",
        ]
        facts += [f"{count(found.refused)} refused because too many waited"] if found.refused else []
        facts += [f"{count(found.lost)} not recorded"] if found.lost else []
        facts += [f"{size(found.rss)} of memory"] if found.rss else []
        st.markdown(" · ".join(facts))
        if found.calls:
            st.markdown("\n".join(_now(call) for call in found.calls[:SHOWN]))
        if not calls.calls:
            st.caption("No calls yet. Give a program the address and a key.")
            return
        st.subheader("Who uses which model, last 24 hours", anchor=False)
        st.markdown(_usage_table(calls.usage) if calls.usage else "No calls in the last 24 hours.")
        with st.expander("Newest calls", key="gateway_newest"):
            st.markdown(_calls_table(calls))


def _now(call: GatewayCurrent) -> str:
    who = _program(call.program, call.run) if call.program else plain(call.key or "a program")
    model = plain(call.model or call.wanted or "auto")
    return f"- {who} → {model}{f' on {plain(name_of(call.backend))}' if call.backend else ''}: {_PHASES.get(call.phase, plain(call.phase))}"


def _usage_table(rows: Sequence[GatewayUsage]) -> str:
    lines = [
        "| Program | Key | Model | Calls | Prompt tokens | Answer tokens | First token | Tokens/s | Last |",
        "|:--|:--|:--|--:|--:|--:|--:|--:|:--|",
    ]
    for row in rows[:SHOWN]:
        failed = f" :red[({row.failed} not answered)]" if row.failed else ""
        model = f"{plain(row.model)} :gray[{plain(name_of(row.backend))}]" if row.model else NONE
        lines.append(
            f"| {_program(row.program, row.run)} | {plain(row.key_name) or NONE} | {model} | {count(row.calls)}{failed} | {count(row.prompt_tokens)} "
            f"| {count(row.completion_tokens)} | {_ms(row.ttft_p50_s)} | {_rate(row.tokens_per_s)} | {_at(row.last_ts)} |"
        )
    more = len(rows) - SHOWN
    return "\n".join(lines) + (f"\n\nand {more} more: `watchkeeper gateway calls --usage`" if more > 0 else "")


def _calls_table(calls: GatewayCalls) -> str:
    lines = [
        "| Time | Program | Model | Result | Tokens | First token | Tokens/s | Took |",
        "|:--|:--|:--|:--|--:|--:|--:|--:|",
    ]
    for call in calls.calls:
        said = "answered" if call.outcome == "answered" else f":red[{plain(call.outcome)}] {plain(call.message[:80])}"
        tried = (
            f" :gray[after {call.attempts - 1} other{'s' if call.attempts > 2 else ''}]" if call.attempts > 1 else ""
        )
        about = "about " if call.tokens_origin == "estimated" else ""
        took = f"{call.total_s:.1f} s" if call.total_s < 60 else duration(call.total_s)
        tokens = f"{about}{count(call.completion_tokens)}" if call.completion_tokens is not None else NONE
        lines.append(
            f"| {_at(call.ts)} | {_program(call.program, call.run, call.uid)} | {plain(call.model or call.wanted) or NONE} | {said}{tried} | {tokens} "
            f"| {_ms(call.ttft_s)} | {_rate(call.tokens_per_s)} | {took} |"
        )
    return "\n".join(lines)


def _program(name: str, run: str | None, uid: int | None = None) -> str:
    """A program as a link to its process; one that could not be seen by its user."""
    if run is None:
        return plain(name) or (":gray[not seen]" if uid is None else f":gray[not seen, of user {uid}]")
    return f"[{plain(name) or 'process'}](/run?run={run})"


def _at(us: int) -> str:
    """The time of day; with the date where that is not today's."""
    return clock(us) if time.time() - us / 1e6 < DAY_S else moment(us)


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return NONE
    return f"{seconds * 1e3:,.0f} ms" if seconds < LONG_S else f"{seconds:,.1f} s"


def _rate(value: float | None) -> str:
    return NONE if value is None else f"{value:,.1f}"


# --- actions


def _refused() -> None:
    """What could not be done."""
    error = st.session_state.pop("gateway_refused", None)
    if error is not None:
        error_state("The gateway was not changed.", error)


def _switch() -> None:
    """Switch it on or off."""
    wanted = bool(st.session_state.gateway_on)
    try:
        if not may_change():
            raise operators_only("switch the gateway")
        agent_client().save_settings({"gateway.enabled": wanted})
    except AgentError as error:
        st.session_state.gateway_refused = error


def _make_key() -> None:
    """Make a key, and show it once."""
    st.session_state.pop("gateway_made", None)
    name = str(st.session_state.gateway_key_name).strip()
    try:
        if not may_change():
            raise operators_only("make keys")
        made = agent_client().gateway.add_key(name)
    except AgentError as error:
        st.session_state.gateway_refused = error
    else:
        st.session_state.gateway_made = (made.name, made.key)


def _forget_key() -> None:
    """The key was copied."""
    st.session_state.pop("gateway_made", None)


def _set_budget(name: str) -> None:
    """Give a key the budget of the form."""
    given = {field.name: st.session_state.get(f"gateway_{field.name}_{name}") for field in fields(Budget)}
    try:
        if not may_change():
            raise operators_only("set budgets")
        agent_client().gateway.set_budget(name, Budget(**given))
    except AgentError as error:
        st.session_state.gateway_refused = error


def _remove_key(name: str) -> None:
    """Remove a key."""
    made = st.session_state.get("gateway_made")
    if made is not None and made[0] == name:
        st.session_state.pop("gateway_made")
    try:
        if not may_change():
            raise operators_only("remove keys")
        agent_client().gateway.remove_key(name)
    except AgentError as error:
        st.session_state.gateway_refused = error
