"""A setting as a widget: kind, bounds, validation, and the description of a change."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

import annotated_types
import streamlit as st
from pydantic.fields import FieldInfo

from monitor.api_models.status import SettingInfo
from monitor.config.settings import PREFIX, SettingsError, all_fields, load_settings
from pages.shared.agent import plain

GROUPS: Final = {
    "store": ("Retention", "How much data is kept, and for how long."),
    "logs": ("Sources", "Where log records come from."),
    "events": ("Events", "Which processes are followed from start to end."),
    "jobs": ("Jobs", "When a job counts as stuck, and how jobs are found in logs."),
    "alerts": ("Alerts", "Who is notified when an alert fires."),
    "sampling": ("Refresh", "How often metrics are sampled and live charts are updated."),
    "engines": ("Engines", "Where and how often Watchkeeper looks for model engines."),
    "ai": ("AI", "How model engines are used and benchmarked."),
    "gateway": ("Gateway", "One address for every program that asks a model."),
    "masking": ("Masking", "What is masked before it is stored or shown."),
    "dashboard": ("Dashboard", "The address of the dashboard."),
    "actions": ("Actions", "What operators may do to services and processes."),
    "auth": ("Sign-in", "Who can view, and who can change things."),
}
"""Headings of the sections, the most used first. A section that is missing here comes last under its own name."""
Kind = Literal["switch", "choice", "whole", "number", "list", "text", "fixed"]
SET_BY_OPTION: Final = " (set by the option)"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the widget of a setting needs.

    Attributes:
        kind: kind of widget.
        choices: of a choice.
        low: smallest value, None when any.
        high: largest value, None when any.
    """

    kind: Kind
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


def shape_of(setting: SettingInfo, fields: Mapping[str, FieldInfo]) -> Shape:
    """The shape of a setting. A setting of a newer agent, unknown here, gets the shape of its value."""
    field = fields.get(setting.key)
    annotation = field.annotation if field else type(setting.default)
    if get_origin(annotation) is Literal:
        return Shape("choice", tuple(str(choice) for choice in get_args(annotation)))
    if annotation is bool:
        return Shape("switch")
    if annotation in {int, float}:
        low, high = _bounds(field)
        return Shape("whole" if annotation is int else "number", (), low, high)
    if annotation is list or get_origin(annotation) is list:
        plain_list = all(isinstance(item, str) for item in setting.value) and get_args(annotation) in {(), (str,)}
        return Shape("list" if plain_list else "fixed")
    return Shape("text" if annotation is str else "fixed")


def _bounds(field: FieldInfo | None) -> tuple[float | None, float | None]:
    low = high = None
    for item in field.metadata if field else ():
        if isinstance(item, annotated_types.Ge | annotated_types.Gt):
            low = float(getattr(item, "ge", getattr(item, "gt", 0)))
        if isinstance(item, annotated_types.Le | annotated_types.Lt):
            high = float(getattr(item, "le", getattr(item, "lt", 0)))
    return low, high


def widget(setting: SettingInfo, shape: Shape, *, key: str, disabled: bool) -> Any:
    """Draw the widget and return its value in the type of the setting.

    The widget does not enforce bounds. A wrong number gets an error beside it that says what is allowed.
    """
    name, value = setting.key, setting.value
    answer: Any = value
    match shape.kind:
        case "switch":
            answer = st.toggle(name, bool(value), key=key, disabled=disabled, label_visibility="collapsed")
        case "choice":
            index = shape.choices.index(value) if value in shape.choices else 0
            answer = st.selectbox(name, shape.choices, index, key=key, disabled=disabled, label_visibility="collapsed")
        case "whole":
            answer = st.number_input(
                name, value=int(value), step=1, key=key, disabled=disabled, label_visibility="collapsed"
            )
        case "number":
            answer = st.number_input(
                name,
                value=float(value),
                step=0.5,
                format="%g",
                key=key,
                disabled=disabled,
                label_visibility="collapsed",
            )
        case "list":
            text = st.text_area(
                name,
                "\n".join(value),
                key=key,
                height=92,
                disabled=disabled,
                label_visibility="collapsed",
                placeholder="One per line",
            )
            answer = [line.strip() for line in text.splitlines() if line.strip()]
        case "text":
            answer = st.text_input(name, str(value), key=key, disabled=disabled, label_visibility="collapsed").strip()
        case _:
            st.text(shown(value))
    return answer


def problems_of(settings: list[SettingInfo], changes: Mapping[str, Any]) -> dict[str, str]:
    """Problems of the settings with `changes` applied: key → sentence.

    The agent validates again before it saves. This shows problems while the user types.
    """
    known = dict(all_fields())
    values = {s.key: s.value for s in settings if s.key in known and s.key != "auth.users"}
    people: list[Any] = next((s.value for s in settings if s.key == "auth.users"), [])
    try:
        load_settings(None, values | dict(changes), {})
    except SettingsError as error:
        found = {key: text.replace(SET_BY_OPTION, "") for key, text in error.problems.items()}
        if people:  # the agent hides their hashes, so that a password sign-in looks like one without people
            found.pop("auth", None)
        if "auth" in found:
            found["auth.mode"] = found.pop("auth")
        return {key: text for key, text in found.items() if key in changes or key == "auth.mode"}
    return {}


def shown(value: Any) -> str:
    """A value as plain text."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        if not value:
            return "none"
        return ", ".join(item or "empty" if isinstance(item, str) else _person(item) for item in value)
    if value is None:
        return "the default"
    return str(value) or "empty"


def _person(item: Any) -> str:
    if isinstance(item, dict) and "name" in item:
        return f"{item['name']} ({item.get('role', 'viewer')})"
    return json.dumps(item)


def origin_badge(setting: SettingInfo) -> str:
    """The origin of the value, as Markdown."""
    if setting.origin == "environment":
        return ":orange-badge[environment]"
    return {"default": ":gray-badge[default]", "file": ":blue-badge[file]", "option": ":violet-badge[option]"}[
        setting.origin
    ]


def about(setting: SettingInfo, fields: Mapping[str, FieldInfo]) -> str:
    """The description of a setting, as Markdown. Descriptions of another version are not trusted and escaped."""
    field = fields.get(setting.key)
    ours = field is not None and field.description == setting.description
    words = setting.description if ours else plain(setting.description)
    unit = f" In {plain(setting.unit)}." if setting.unit else ""
    fixed = why_fixed(setting)
    return f"{words}{unit} Default: {plain(shown(setting.default))}.{f' {fixed}' if fixed else ''}"


def why_fixed(setting: SettingInfo) -> str:
    """Why a setting cannot be changed here, or an empty text."""
    if setting.editable:
        return ""
    if setting.origin == "environment":
        return f"Set by the environment variable `{PREFIX}{setting.key.upper().replace('.', '__')}`, which has precedence over the file."
    if setting.origin == "option":
        return "Set by a command-line option, which has precedence over the file."
    return "Only in the file. Create an entry with `watchkeeper password`."


def difference(setting: SettingInfo, new: Any) -> str:
    """One change as a line of Markdown."""
    unit = f" {setting.unit}" if setting.unit else ""
    after = f"the default, {shown(setting.default)}" if new is None else shown(new)
    later = " :orange-badge[after a restart]" if setting.restart else ""
    return f"`{setting.key}`: {plain(shown(setting.value))}{unit} → **{plain(after)}**{unit}{later}"
