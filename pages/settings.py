"""Settings: the current values, where they come from, and a form to change them."""

from itertools import groupby
from typing import Any

import streamlit as st

from monitor.api_models.status import SettingInfo, SettingsInfo
from monitor.client.client import Refused
from monitor.config.settings import all_fields
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, coded, empty_state, error_state, guarded, plain
from pages.shared.log_formats import DESCRIBE, log_formats
from pages.shared.settings_form import (
    GROUPS,
    about,
    difference,
    origin_badge,
    problems_of,
    shape_of,
    why_fixed,
    widget,
)
from pages.shared.visitor import may_change, operators_only
from pages.ui.header import page_title

state = st.session_state
state.setdefault("settings_round", 0)  # a new round gives every widget a new key, and so the current value
state.setdefault("settings_reset", set())
state.setdefault("settings_refused", {})


def _discard() -> None:
    """Discard unsaved changes."""
    state.settings_round += 1
    state.settings_reset = set()
    state.settings_refused = {}


def _reset(key: str) -> None:
    """Use the default from the next save on, or undo that."""
    state.settings_reset = state.settings_reset ^ {key}


def _save(changes: dict[str, Any]) -> None:
    """Save the changes. The agent checks all values before it writes any."""
    if not may_change():
        state.settings_failed = operators_only("change settings")
        return
    try:
        saved = agent_client().save_settings(changes)
    except Refused as error:
        state.settings_refused = error.problems
        state.settings_failed = error
    except AgentError as error:
        state.settings_failed = error
    else:
        _discard()
        later = set(changes) & {s.key for s in saved.settings if s.restart}
        state.settings_saved = sorted(later)


def _row(setting: SettingInfo, fields: dict[str, Any], *, allowed: bool) -> Any:
    """Draw one setting and return its value after a save, None for its default."""
    resetting = setting.key in state.settings_reset
    fixed = why_fixed(setting)
    shape = shape_of(setting, fields)
    words, control = st.columns([3, 2], vertical_alignment="center")
    with words:
        badges = origin_badge(setting) + (" :orange-badge[restart required]" if setting.restart else "")
        st.markdown(f"**`{setting.key}`** {badges}")
        st.caption(about(setting, fields))
    with control:
        key = f"set_{setting.key}_{state.settings_round}"
        value = widget(setting, shape, key=key, disabled=bool(fixed) or not allowed or resetting)
        if allowed and not fixed and setting.origin == "file":
            label = "Keep value" if resetting else "Reset to default"
            st.button(
                label,
                key=f"reset_{setting.key}",
                type="tertiary",
                icon=":material/undo:",
                on_click=_reset,
                args=(setting.key,),
                help=f"{setting.key}: {label.lower()}",
            )
        slot = st.empty()
    state.settings_slots[setting.key] = slot
    return None if resetting else value


def _form(info: SettingsInfo, *, allowed: bool) -> dict[str, Any]:
    """Draw all settings in groups and return the changed ones."""
    fields = dict(all_fields())
    state.settings_slots = {}
    changes: dict[str, Any] = {}
    order = list(GROUPS)
    rows = sorted(info.settings, key=lambda s: _rank(s.key.split(".")[0], order))
    sections = {section: list(members) for section, members in groupby(rows, key=lambda s: s.key.split(".")[0])}
    links = [*((_heading(section)[0], section) for section in sections), ("Log formats", "formats")]
    st.markdown(" · ".join(f"[{name}](#{anchor})" for name, anchor in links))
    for section, members in sections.items():
        name, explained = _heading(section)
        with st.container(border=True, key=f"group_{section}"):
            st.header(name, anchor=section)
            st.caption(explained)
            for setting in members:
                value = _row(setting, fields, allowed=allowed)
                if value != setting.value and setting.editable:
                    changes[setting.key] = value
    return changes


def _heading(section: str) -> tuple[str, str]:
    """Name of a section, and what its settings are about."""
    return GROUPS.get(section, (section.capitalize(), ""))


def _rank(section: str, order: list[str]) -> int:
    return order.index(section) if section in order else len(order)


def _review(info: SettingsInfo, changes: dict[str, Any]) -> None:
    """The unsaved changes, what is wrong with them, and the buttons."""
    by_key = {setting.key: setting for setting in info.settings}
    wrong = problems_of(info.settings, changes) | {k: v for k, v in state.settings_refused.items() if k in changes}
    for key, text in wrong.items():
        if key in state.settings_slots:
            state.settings_slots[key].error(plain(text), icon=":material/error:")
    with st.bottom, st.container(border=True, key="review"):
        count = f"{len(changes)} change" + ("s" if len(changes) != 1 else "")
        st.markdown(f"**{count} not saved**")
        st.markdown("\n".join(f"- {difference(by_key[key], new)}" for key, new in changes.items()))
        if wrong:
            st.markdown(f":red[:material/error: {plain('; '.join(wrong.values()))}]")
        with st.container(horizontal=True):
            st.button(
                "Save",
                key="save",
                type="primary",
                icon=":material/save:",
                disabled=bool(wrong),
                on_click=_save,
                args=(changes,),
            )
            st.button("Discard", key="discard", on_click=_discard)


def _result() -> None:
    """The result of the last save."""
    failed = state.pop("settings_failed", None)
    if failed is not None:
        error_state("Settings were not saved.", failed)
    later = state.pop("settings_saved", None)
    if later is not None:
        st.success("Settings saved.", icon=":material/check_circle:")
        if later:
            names = ", ".join(f"`{key}`" for key in later)
            st.warning(f"Restart Watchkeeper to apply: {names}.", icon=":material/restart_alt:")


page_title("Settings")
allowed = may_change()
if not allowed:
    st.info("You can view settings. Only operators can change them.", icon=":material/visibility:")
_result()
if asked := DESCRIBE in st.query_params:  # a person came for this form, and not to look for it below all settings
    with guarded("the log formats"):
        log_formats(allowed=allowed)
with guarded("the settings"):
    info = agent_client().settings()
    if info.path:
        st.caption(
            f"Stored in {coded(info.path)}. Precedence: command-line option, environment variable, file, default."
        )
    if not info.settings:
        empty_state("No settings.", "The agent may run another version.", "Restart Watchkeeper.")
    changed = _form(info, allowed=allowed)
    if changed and allowed:
        _review(info, changed)
if not asked:
    with guarded("the log formats"):
        log_formats(allowed=allowed)
