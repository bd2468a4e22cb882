"""The form of an alert rule: its fields, what they give as settings, and where a problem belongs."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from monitor.api_models.events import AlertMetricInfo

KINDS: Final = {"metric": "A reading", "records": "Log records", "fails": "Failures"}
LABELS: Final = {
    "name": "Name",
    "metric": "Reading",
    "of": "Which one",
    "above": "Value",
    "below": "Value",
    "change": "Value",
    "usual_h": "Hours",
    "usual_days": "Days",
    "clear": "Over at",
    "for_s": "Seconds until it fires",
    "clear_s": "Seconds until it is over",
    "records": "Log query",
    "fails": "Process or service",
    "count": "How many",
    "within_s": "Within seconds",
}
"""What the fields of the form are called there."""
SIDES: Final = {"above": "Above", "below": "Below", "change": "Away from the usual"}
DEFAULTS: Final[dict[str, Any]] = {
    "of": "", "usual_h": 24.0, "usual_days": 14, "clear": None, "for_s": 60.0, "clear_s": 60.0, "count": 1, "within_s": 300.0, "enabled": True, "notify": True,
}  # fmt: skip
USUAL: Final = "disk.used_pct"


def named(name: str, problems: Mapping[str, str]) -> list[str]:
    """Problems of a rule, by the names of the fields where they belong."""
    found = []
    for key, text in problems.items():
        field = key.removeprefix(f"alert.{name}").removeprefix(".").partition(".")[0]
        said = text.removeprefix(f"alert {name}: ")
        found.append(LABELS[field] + said.removeprefix(field) if field in LABELS and said.startswith(field) else said)
    return found


def form(before: Mapping[str, Any], metrics: list[AlertMetricInfo], *, new: bool) -> tuple[str, dict[str, Any]]:
    """Draw the fields; answers the name, and the settings that differ from `before` (None for a default).

    Args:
        before: the settings as the agent gives them; what a link fills in for a new rule.
        metrics: what can be watched.
        new: whether it is to be added.
    """
    name = st.text_input(LABELS["name"], before.get("name", ""), key="alert_name", disabled=not new, placeholder="out of memory", max_chars=63)  # fmt: skip
    kinds = list(KINDS)
    kind_now = next((kind for kind in kinds if before.get(kind) is not None), "records")
    kind = st.segmented_control("It watches", kinds, default=kind_now, key="alert_kind", format_func=KINDS.__getitem__, required=True)  # fmt: skip
    given = _reading(before, metrics) if kind == "metric" else _counted(kind, before)
    given |= {other: None for other in kinds if other != kind}
    notify = st.toggle("Send a notification", before.get("notify", True), key="alert_notify", help="Besides the pages: to the address or the command of the settings.")  # fmt: skip
    given |= {"notify": notify, "enabled": before.get("enabled", True)}
    return name.strip(), changed({} if new else before, given)


def _reading(before: Mapping[str, Any], metrics: list[AlertMetricInfo]) -> dict[str, Any]:
    """The fields of a rule with a metric."""
    known = {metric.name: metric for metric in metrics}
    names = list(known)
    chosen_now = before.get("metric") or USUAL
    place = names.index(chosen_now) if chosen_now in known else 0
    metric = known[st.selectbox(LABELS["metric"], names, place, key="alert_metric", format_func=lambda one: f"{known[one].label} ({one})")]  # fmt: skip
    of = ""
    if metric.of:
        of = st.text_input(f"{LABELS['of']}: {metric.of}", before.get("of", ""), key="alert_of", placeholder="Empty: each of them" if not metric.name.startswith("process.") else "train.py", max_chars=200)  # fmt: skip
    sides = list(SIDES)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        side_now = next((side for side in sides if before.get(side) is not None), "above")
        side = st.segmented_control("Fires", sides, default=side_now, key="alert_side", format_func=SIDES.__getitem__, required=True)  # fmt: skip
        unit = "%" if side == "change" else metric.unit
        hint = "-50 %" if side == "change" else "20 GiB" if metric.unit.startswith("bytes") else "95"
        value = st.text_input(f"{LABELS['above']}{f', {unit}' if unit not in {'count', 'load'} else ''}", _text(before.get(side)), key="alert_value", placeholder=hint)  # fmt: skip
        seconds = st.number_input(LABELS["for_s"], 0.0, 86_400.0, float(before.get("for_s", 60.0)), key="alert_for", step=10.0, format="%g")  # fmt: skip
    usual = {one: before.get(one, DEFAULTS[one]) for one in ("usual_h", "usual_days")}
    if side == "change":
        usual = _usual(usual)
    with st.expander("When it is over"):
        clear = ""
        if side == "change":
            st.caption("It is over at half of the change.")
        else:
            clear = st.text_input(LABELS["clear"], _text(before.get("clear")), key="alert_clear", placeholder="5 % from the value", help="A second value, so that a reading that swings around the first one is told once.")  # fmt: skip
        clear_s = st.number_input(LABELS["clear_s"], 0.0, 86_400.0, float(before.get("clear_s", 60.0)), key="alert_clear_s", step=10.0, format="%g")  # fmt: skip
    bounds = {one: _value(value) if one == side else None for one in sides}
    return {
        "metric": metric.name, "of": of.strip(), **bounds, **usual, "clear": _value(clear),
        "for_s": seconds, "clear_s": clear_s, "count": 1, "within_s": 300.0,
    }  # fmt: skip


def _usual(now: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say what the usual is."""
    with st.expander("What is usual"):
        left, right = st.columns(2)
        hours = left.number_input(LABELS["usual_h"], 1.0, 168.0, float(now["usual_h"]), key="alert_usual_h", step=1.0, format="%g", help="The usual is the median of so many hours.")  # fmt: skip
        days = right.number_input(LABELS["usual_days"], 0, 60, int(now["usual_days"]), key="alert_usual_days", help="Once four of so many days are known, it is that of this time of day. 0: always that of the hours.")  # fmt: skip
    return {"usual_h": hours, "usual_days": days}


def _counted(kind: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a rule that counts records or failures."""
    if kind == "records":
        what = st.text_input(LABELS[kind], before.get(kind) or "", key="alert_records", placeholder='level>=error "out of memory"', help="As on the Logs page: words, /regex/, level>=warn, source:worker, pattern:17, -word.", max_chars=2000)  # fmt: skip
    else:
        what = st.text_input(LABELS[kind], before.get(kind) or "", key="alert_fails", placeholder="nightly.py", help="A part of its name or command. With * it is the whole name: service * is each service.", max_chars=300)  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        many = st.number_input(LABELS["count"], 1, 100_000, int(before.get("count", 1)), key="alert_count")
        within = st.number_input(LABELS["within_s"], 1.0, 86_400.0, float(before.get("within_s", 300.0)), key="alert_within", step=60.0, format="%g", help="It is over after as long without one.")  # fmt: skip
    nothing = dict.fromkeys((*SIDES, "clear"))
    return {kind: what.strip(), "count": many, "within_s": within, **nothing, "of": "", "for_s": 60.0, "clear_s": 60.0}


def changed(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What the form gives that differs from the settings: None where it is the default."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        standard = DEFAULTS.get(key)
        if value != before.get(key, standard):
            found[key] = None if value == standard else value
    return found


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _value(text: str) -> float | str | None:
    """A number as a number; `20 GiB` stays as it is written; nothing is none."""
    text = text.strip()
    try:
        return float(text) if text else None
    except ValueError:
        return text
